from __future__ import annotations

import pytest

from flowmetal.effects.requests import EffectRequest
from flowmetal.errors import FlowmetalError
from flowmetal.values import Duration, FlowError, Instant, Secret, Value, keyword, pr_str, vector
from tests.stdlib.world import World, args_of, failure
from tests.vm.fibers import World as Clock


class Flaky:
    """Fails so many times, then answers."""

    def __init__(self, failures: int, value: Value = "fine", retryable: bool | None = None) -> None:
        self.left = failures
        self.value = value
        self.retryable = retryable

    def __call__(self, request: EffectRequest) -> Value:
        if self.left:
            self.left -= 1
            return failure("not now", "http/status", self.retryable)
        return self.value


def program(body: str) -> str:
    return (
        "(ns main (:require [flow.retry :as retry] [flow.time :refer [seconds minutes]]"
        " [flow.http :as http] [flow.sh :as sh] [flow.fs :as fs] [flow.env :refer [env!]]"
        " [flow.log :as log] [flow.event :refer [receive!]] [flow.async :refer [all! pmap! scope!]]))\n"
        f"(defn main [& args] {body})"
    )


def run(body: str, world: World | None = None, *arguments: Value) -> Value:
    return (world or World()).run(program(body), *arguments)


# Time, identity, waiting.


def test_now_is_what_the_world_says() -> None:
    assert run("(now!)") == Instant(1_000_000_000_000)


def test_a_sleep_asks_for_its_duration() -> None:
    world = World()
    assert run("(sleep! (seconds 5))", world) is None
    assert world.asked[0].args == args_of(**{"for": Duration(5_000_000)})


@pytest.mark.parametrize(
    "body", ["(sleep! 5)", "(receive! :go {:timeout 5})", '(http/get! "u" {:timeout 5})']
)
def test_a_number_is_no_duration_and_the_error_says_what_to_write(body: str) -> None:
    with pytest.raises(FlowError) as caught:
        run(body)
    assert "write (seconds 5)" in str(caught.value)
    assert caught.value.error.type is keyword("type/mismatch")


def test_sleep_until_needs_an_instant() -> None:
    with pytest.raises(FlowError, match="an instant"):
        run("(sleep-until! (seconds 5))")


def test_receive_asks_by_name_and_passes_its_options_on() -> None:
    world = World({"signal/receive": lambda request: "hello"})
    assert run("(receive! :go {:timeout (seconds 1) :else nil})", world) == "hello"
    asked = world.asked[0].args
    assert asked == args_of(name=keyword("go"), timeout=Duration(1_000_000), **{"else": None})


def test_time_prints_what_the_clock_says() -> None:
    world = World()
    assert run("(time (do (sleep! (seconds 2)) 7))", world) == 7
    assert world.output == "Elapsed time: 2000.0 msecs\n"


# Steps.


def test_a_step_is_named_even_if_it_does_nothing() -> None:
    world = World()
    assert run('(step! "empty")', world) is None
    assert world.kinds() == ["step/begin", "step/end"]
    assert world.asked[0].args == args_of(name="empty", attempt=1)
    assert world.asked[1].args == args_of(scope=1, name="empty", ok=True)


def test_a_step_returns_its_value_and_a_lone_map_is_its_body() -> None:
    assert run('(step! "x" {:a 1})') == args_of(a=1)
    assert run('(step! "x" {} 1 2)') == 2
    assert run('(step! (str "a" "b") 5)') == 5


def test_a_step_without_retry_is_not_tried_again() -> None:
    world = World({"http/request": Flaky(1)})
    with pytest.raises(FlowError, match="not now"):
        run('(step! "once" (http/get! "u"))', world)
    assert len(world.of("http/request")) == 1


def test_what_is_in_doubt_is_not_done_again_whatever_a_policy_says() -> None:
    policy = "{:max-attempts 3 :backoff (seconds 5) :retry-if (fn [e] true)}"
    for body in (
        f'(step! "once" {{:retry {policy}}} (http/post! "u" {{:at-most-once true}}))',
        f'(retry/with-retry! {policy} (http/post! "u" {{:at-most-once true}}))',
        f'(http/post! "u" {{:at-most-once true :retry {policy}}})',
    ):
        doubt = failure("who knows", "effect/in-doubt", False)
        world = World({"http/request": lambda request, doubt=doubt: doubt})  # type: ignore[misc]
        with pytest.raises(FlowError, match="who knows"):
            run(body, world)
        assert len(world.of("http/request")) == 1, body


@pytest.mark.parametrize(
    "body",
    [
        '(all! (http/get! "busy") (http/post! "pay" {:at-most-once true}))',
        '(pmap! (fn [url] (http/get! url)) ["busy" "pay"])',
        '(scope! [_] (spawn! (fn [] (http/get! "pay"))) (http/get! "busy"))',
        '(all! (http/get! "busy") (try (receive! :go) (finally (http/post! "pay" {:at-most-once true}))))',
    ],
)
def test_what_is_in_doubt_beside_another_failure_is_not_done_again(body: str) -> None:
    answers = {
        "busy": failure("not now", "http/status"),
        "pay": failure("who knows", "effect/in-doubt", False),
    }
    for form in (
        'step! "s" {:retry {}}',
        "retry/with-retry! {}",
        'step! "s" {:retry {:max-elapsed (seconds 99)}}',
    ):
        world = World({"http/request": lambda request: answers[request.args.get(keyword("url"))]})
        with pytest.raises(FlowError, match="not now") as caught:
            run(f"({form} {body})", world)
        others = caught.value.error.data.get(keyword("suppressed"))
        assert [error.type.text for error in others] == ["effect/in-doubt"]
        assert len(world.of("http/request")) == 2


def test_what_an_error_says_of_its_own_about_others_is_no_reason_to_give_up() -> None:
    for data in (
        "{:suppressed 5}",
        "{:suppressed [5 nil]}",
        "{:type :async/all-failed :failures 5}",
    ):
        body = f'(if (= 1 (attempt)) (throw (ex-info "again" {data})) :done)'
        assert run(f'(step! "s" {{:retry {{}}}} {body})') == keyword("done")


def test_a_failing_step_that_nobody_catches_is_not_unwound() -> None:
    world = World({"http/request": Flaky(1)})
    with pytest.raises(FlowError):
        run('(step! "once" (http/get! "u"))', world)
    assert world.kinds() == ["step/begin", "http/request"], "no finally has run: the stack stands"


def test_a_failing_step_that_somebody_catches_is_ended_as_failed() -> None:
    world = World({"http/request": Flaky(1)})
    assert run(
        '(try (step! "once" (http/get! "u")) (catch :http/status e :caught))', world
    ) is keyword("caught")
    assert world.of("step/end")[0].args.get(keyword("ok")) is False


def test_the_timeout_of_a_step_is_one_of_each_attempt() -> None:
    text = """(ns user (:require [flow.async :refer :all] [flow.time :refer [seconds]]))
      (defn main []
        (let [seen (atom [])]
          (step! "ask" {:timeout (seconds 2) :retry {:backoff (seconds 1) :jitter :none}}
            (swap! seen conj (attempt))
            (sleep! (seconds (nth [9 3 1] (dec (attempt)))))
            @seen)))"""
    world = Clock(text)
    assert world.finish().result == vector((1, 2, 3))
    assert world.now_us == 7_000_000
    with pytest.raises(FlowError, match="needs a duration as :timeout"):
        run('(step! "x" {:timeout 3} 1)')


def test_what_a_failed_attempt_has_spawned_has_ended_before_the_next_one() -> None:
    text = """(ns user (:require [flow.async :refer :all] [flow.time :refer [seconds]]))
      (defn main []
        (let [seen (atom []) n (atom 0)]
          (step! "ask" {:retry {:backoff (seconds 1) :jitter :none}}
            (let [mine (swap! n inc)]
              (spawn! (fn [] (try (sleep! (seconds 9)) (swap! seen conj [:done mine]) (finally (swap! seen conj [:end mine])))))
              (sleep! (seconds 2))
              (when (< mine 3) (throw (ex-info "again" {})))))
          @seen))"""
    world = Clock(text)
    assert pr_str(world.finish().result) == "[[:end 1] [:end 2] [:done 3] [:end 3]]"
    assert world.now_us == 15_000_000


def test_a_fiber_that_fails_in_a_retried_body_fails_its_attempt() -> None:
    text = """(ns user (:require [flow.async :refer :all] [flow.retry :refer [with-retry!]]))
      (defn main []
        (let [n (atom 0)]
          (with-retry! {:max-attempts 3 :backoff #dur "1s"}
            (spawn! (fn [] (when (< (swap! n inc) 3) (throw (ex-info "again" {})))))
            :body)
          @n))"""
    assert Clock(text).finish().result == 3


def test_a_step_refuses_options_it_does_not_know_and_names_that_are_no_strings() -> None:
    with pytest.raises(FlowError, match="does not know the option :retries"):
        run('(step! "x" {:retries 3} 1)')
    with pytest.raises(FlowError, match="needs a string"):
        run("(step! :x 1)")


def test_a_retried_step_waits_durably_between_its_attempts() -> None:
    world = World({"http/request": Flaky(2)})
    body = '(step! "charge" {:retry {:backoff (retry/exponential (seconds 1)) :jitter :none}} [(attempt) (:x (http/get! "u"))])'
    assert run(body, world) == vector((3, None))
    assert world.kinds() == [
        "step/begin", "http/request", "step/end", "time/sleep",
        "step/begin", "http/request", "step/end", "time/sleep",
        "step/begin", "http/request", "step/end",
    ]  # fmt: skip
    waits = [request.args.get(keyword("for")) for request in world.of("time/sleep")]
    assert waits == [Duration(1_000_000), Duration(2_000_000)]
    assert [r.args.get(keyword("attempt")) for r in world.of("step/begin")] == [1, 2, 3]


def test_an_error_that_wishes_for_a_longer_wait_gets_it() -> None:
    world = World()
    body = """(let [n (atom 0) policy {:backoff (retry/constant (seconds 2)) :jitter :none}]
      (retry/with-retry! policy
        (case (swap! n inc)
          1 (throw (ex-info "busy" {:retry-after (seconds 40)}))
          2 (throw (ex-info "busy" {:retry-after (seconds 1)}))
          3 (throw (ex-info "busy" {:retry-after (minutes 9000)}))
          4 (throw (ex-info "busy" {:retry-after 7}))
          @n)))"""
    assert run(body, world) == 5
    waits = [request.args.get(keyword("for")).us // 1_000_000 for request in world.of("time/sleep")]
    assert waits == [40, 2, 86_400, 2]


def test_every_attempt_asks_under_the_same_keys() -> None:
    world = World({"http/request": Flaky(2)})
    run('(step! "x" {:retry {}} (now!) (http/get! "a") (http/get! "b"))', world)
    keys = [request.key for request in world.of("http/request")]
    first, last = keys[0], keys[-1]
    assert keys == [first, first, first, last]
    assert first != last


def test_an_attempt_that_asks_for_something_else_asks_under_another_key() -> None:
    world = World({"http/request": Flaky(4)})
    body = """(step! "x" {:retry {}}
      (all! (http/get! (nth ["a" "b" "a" "c" "c"] (dec (attempt))))))"""
    run(body.replace("all!", "flow.async/all!"), world)
    one, two, three, four, five = [request.key for request in world.of("http/request")]
    assert one == three
    assert four == five
    assert len({one, two, four}) == 3
    assert [key.partition("~")[0] for key in (two, four)] == [one, one]


def test_what_is_asked_for_under_which_key_is_not_remembered_without_end() -> None:
    body = """(step! "x" {:retry {}}
      (dotimes [n 300] (http/post! "a" {:json n}))
      (http/get! (if (= 1 (attempt)) "b" "c")))"""
    flaky = Flaky(1)
    world = World({"http/request": lambda request: flaky(request) if len(world.asked) > 301 else 1})
    run(body, world)
    keys = [request.key for request in world.of("http/request")]
    assert keys[:300] == keys[301:601]
    assert keys[300] != keys[601]
    assert len(set(keys)) == 302


def test_effects_outside_of_retried_steps_have_keys_of_their_own() -> None:
    world = World({"http/request": Flaky(1)})
    run('(do (step! "x" {:retry {}} (http/get! "a")) (http/get! "b"))', world)
    keys = [request.key for request in world.asked if not request.kind.startswith("step/")]
    assert len(set(keys)) == len(keys) - 1, "only the two attempts share one"


def test_keys_of_a_step_inside_of_a_retried_step_are_the_same_over_outer_attempts() -> None:
    world = World({"http/request": Flaky(3)})
    inner = '(step! "in" {:retry {:max-attempts 2}} (http/get! "a"))'
    run(f'(step! "out" {{:retry {{}}}} {inner} (http/get! "b"))', world)
    keys = [request.key for request in world.of("http/request")]
    assert len(keys) == 5
    assert len(set(keys[:4])) == 1
    assert keys[4] != keys[0]


def test_retries_of_an_inner_step_do_not_move_the_keys_after_it() -> None:
    tail_keys = set()
    for failures in (0, 1, 3):
        world = World({"http/request": Flaky(failures)})
        run(
            '(step! "out" {:retry {}} (step! "in" {:retry {}} (http/get! "a")) (fs/slurp! "f"))',
            world,
        )
        tail_keys.add(world.of("fs/read")[0].key)
    assert len(tail_keys) == 1


def keys_by_url(world: World) -> dict[Value, set[str]]:
    keys: dict[Value, set[str]] = {}
    for request in world.of("http/request"):
        keys.setdefault(request.args.get(keyword("url")), set()).add(request.key)
    return keys


def test_what_an_attempt_asks_when_in_doubt_does_not_move_the_keys_after_it() -> None:
    script = {
        "a": iter(["paid", failure("who knows", "effect/in-doubt", False)]),
        "is-paid": iter(["paid"]),
        "b": iter(["sent", "sent"]),
        "c": iter([failure("not now", "http/status"), "done"]),
    }
    world = World({"http/request": lambda request: next(script[request.args.get(keyword("url"))])})
    run(
        """(step! "x" {:retry {}}
             (http/post! "a" {:verify (fn [_] (http/get! "is-paid"))}) (http/post! "b") (http/post! "c"))""",
        world,
    )
    keys = keys_by_url(world)
    assert [len(keys[url]) for url in script] == [1, 1, 1, 1]
    assert len(set.union(*keys.values())) == 4


def test_an_attempt_in_doubt_asks_anew_each_time() -> None:
    doubt = failure("who knows", "effect/in-doubt", False)
    script = {
        "a": iter([doubt, doubt, failure("not now", "http/status"), doubt, "paid"]),
        "is-paid": iter([None, None, None]),
    }
    world = World({"http/request": lambda request: next(script[request.args.get(keyword("url"))])})
    run(
        '(step! "x" {:retry {}} (http/post! "a" {:verify (fn [_] (http/get! "is-paid"))}))',
        world,
    )
    keys = keys_by_url(world)
    assert len(keys["a"]) == 1
    assert len(keys["is-paid"]) == 3


def test_an_effect_that_is_verified_asks_for_something_else_under_another_key_too() -> None:
    world = World({"http/request": Flaky(1)})
    run(
        '(step! "x" {:retry {}} (http/post! "a" {:json (attempt) :verify (fn [_] nil)}))',
        world,
    )
    one, two = [request.key for request in world.of("http/request")]
    assert two.partition("~")[0] == one != two


def test_an_effect_in_a_retried_step_is_tried_once_by_who_performs_it() -> None:
    world = World()
    run('(step! "x" {:retry {}} (http/get! "a"))', world)
    assert world.of("http/request")[0].args.get(keyword("retry")) == args_of(max_attempts=1)


def test_an_error_that_is_not_retryable_ends_the_step_at_once() -> None:
    world = World({"http/request": Flaky(1, retryable=False)})
    with pytest.raises(FlowError, match="not now"):
        run('(step! "x" {:retry {}} (http/get! "a"))', world)
    assert len(world.of("http/request")) == 1


def test_the_last_failed_attempt_parks_with_its_stack_standing() -> None:
    world = World({"http/request": Flaky(5)})
    with pytest.raises(FlowError, match="not now"):
        run('(step! "x" {:retry {:max-attempts 2}} (http/get! "a"))', world)
    assert world.kinds()[-1] == "http/request"


def test_a_policy_may_ask_a_function_and_tell_another() -> None:
    world = World({"http/request": Flaky(2, retryable=False)})
    body = (
        "(let [seen (atom [])] (retry/with-retry! {:jitter :none :retry-if (fn [e] (= :http/status (:type e)))"
        ' :on-retry (fn [e n] (swap! seen conj n))} (http/get! "a")) @seen)'
    )
    assert run(body, world) == vector((1, 2))


def test_with_retry_gives_up_after_the_time_it_has() -> None:
    world = World({"http/request": Flaky(100)})
    body = (
        "(retry/with-retry! {:max-attempts nil :max-elapsed (minutes 1) :jitter :none"
        ' :backoff (seconds 25)} (http/get! "a"))'
    )
    with pytest.raises(FlowError, match="not now"):
        run(body, world)
    assert len(world.of("http/request")) == 3


def test_the_same_seed_gives_the_same_jitter() -> None:
    def waits(seed: int) -> list[Value]:
        world = World({"http/request": Flaky(3)})
        world.run(program('(retry/with-retry! {} (http/get! "a"))'), seed=seed)
        return [request.args.get(keyword("for")).us for request in world.of("time/sleep")]

    assert waits(1) == waits(1)
    assert waits(1) != waits(2)


def test_attempt_belongs_to_the_nearest_step() -> None:
    world = World({"http/request": Flaky(1)})
    body = '(step! "out" {:retry {}} (let [inner (step! "in" (attempt))] (http/get! "a") [inner (attempt)]))'
    assert run(body, world) == vector((1, 2))


# Effects of the world.


def test_a_request_is_a_map_of_its_options() -> None:
    world = World({"http/request": lambda request: args_of(status=200, body="ok")})
    assert run('(:body (http/post! "https://x/y" {:json {:a 1}}))', world) == "ok"
    assert world.asked[0].args == args_of(
        method=keyword("post"), url="https://x/y", json=args_of(a=1)
    )


def test_a_policy_with_functions_never_leaves_the_machine() -> None:
    world = World({"http/request": Flaky(1)})
    body = '(http/get! "u" {:retry {:retry-if (fn [e] true)}})'
    assert run(body, world) == "fine"
    assert world.of("http/request")[0].args.get(keyword("retry")) == args_of(max_attempts=1)


def test_a_policy_without_functions_goes_along_filled_in() -> None:
    world = World()
    run('(http/get! "u" {:retry {:max-attempts 3}})', world)
    policy = world.asked[0].args.get(keyword("retry"))
    assert policy.get(keyword("max-attempts")) == 3
    assert policy.get(keyword("jitter")) is keyword("full")


def test_a_request_without_a_url_is_refused() -> None:
    with pytest.raises(FlowError, match="needs a string as :url"):
        run("(http/get! nil)")


PAGES = '(fn [page] (when (or (nil? page) (:next page)) (http/get! "u")))'


def test_pages_are_asked_for_until_there_are_none() -> None:
    world = World()
    world.answers = {"http/request": lambda request: args_of(next=len(world.asked) < 3)}
    assert run(f"(count (http/paginate! {PAGES}))", world) == 3


def test_pages_may_be_limited() -> None:
    world = World({"http/request": lambda request: args_of(next=True)})
    assert run(f"(count (http/paginate! {PAGES} {{:max-pages 2}}))", world) == 2


def test_arguments_of_a_command_never_pass_through_a_shell() -> None:
    world = World()
    run('(sh/sh! "git" "log" "-n" 5 {:dir "/tmp"})', world)
    assert world.asked[0].kind == "sh/run"
    assert world.asked[0].args == args_of(dir="/tmp", argv=vector(("git", "log", "-n", "5")))


def test_a_command_can_be_written_as_it_is_typed() -> None:
    world = World()
    run('(let [n 5] (sh/$! git log -n ~n "a b" :x {:check? false}))', world)
    asked = world.asked[0].args
    assert asked.get(keyword("argv")) == vector(("git", "log", "-n", "5", "a b", ":x"))
    assert asked.get(keyword("check?")) is False


def test_a_secret_among_the_words_of_a_command_stays_one() -> None:
    world = World()
    run('(do (sh/sh! "curl" "-u" #secret "key" 5) (sh/$! curl ~(identity #secret "key")))', world)
    secret = Secret("key")
    assert [request.args.get(keyword("argv")) for request in world.asked] == [
        vector(("curl", "-u", secret, "5")),
        vector(("curl", secret)),
    ]


def test_which_is_nil_for_what_is_not_there() -> None:
    found = World({"sh/run": lambda r: args_of(exit=0, out=vector(("/usr/bin/git",)))})
    assert run('(sh/which "git")', found) == "/usr/bin/git"
    missing = World({"sh/run": lambda r: args_of(exit=1, out=vector(()))})
    assert run('(sh/which "git")', missing) is None


@pytest.mark.parametrize(
    ("call", "kind", "args"),
    [
        ('(fs/slurp! "f")', "fs/read", '{:path "f", :as :text}'),
        ('(fs/spit! "f" "text")', "fs/write", '{:path "f", :content "text"}'),
        ('(fs/exists?! "f")', "fs/exists", '{:path "f"}'),
        ("(fs/ls!)", "fs/list", '{:path "."}'),
        ('(fs/copy! "a" "b" {:timeout (seconds 1)})', "fs/copy", '{:from "a", :to "b", :timeout #dur "1s"}'),
        ('(fs/glob! "*.csv")', "fs/glob", '{:path ".", :pattern "*.csv"}'),
        ('(fs/mkdir! "d")', "fs/mkdir", '{:path "d"}'),
        ('(fs/copy! "a" "b")', "fs/copy", '{:from "a", :to "b"}'),
        ('(fs/move! "a" "b")', "fs/move", '{:from "a", :to "b"}'),
        ('(fs/delete! "d" {:recursive true})', "fs/delete", '{:path "d", :recursive true}'),
        ("(fs/temp-dir!)", "fs/temp-dir", "{}"),
        ('(env! "PORT" "80")', "env/get", '{:name "PORT", :default "80"}'),
        ('(log/info! "m" {:n 1})', "log/write", '{:level :info, :message "m", :data {:n 1}}'),
        ('(log/with-context {:a 1 :n 0} (log/with-context {:b 2} (log/info! "m" {:n 1})))', "log/write", '{:level :info, :message "m", :data {:a 1, :n 1, :b 2}}'),
        ('(log/with-context {:a 1} (log/warn! "m" 5))', "log/write", '{:level :warn, :message "m", :data {:a 1, :data 5}}'),
        ('(await! (log/with-context {:a 1} (spawn! (fn [] (log/info! "m")))))', "log/write", '{:level :info, :message "m", :data {:a 1}}'),
        ('(log/count! :shop/orders)', "log/write", '{:level :info, :message "shop/orders", :data {:count 1}}'),
        ('(log/timing! "charge" (seconds 2))', "log/write", '{:level :info, :message "charge", :data {:duration #dur "2s"}}'),
        ("(uuid!)", "id/uuid", "{}"),
        ("(run-info)", "run/info", "{}"),
    ],
)  # fmt: skip
def test_a_function_asks_for_its_kind(call: str, kind: str, args: str) -> None:
    world = World()
    run(call, world)
    assert [(r.kind, pr_str(r.args)) for r in world.asked] == [(kind, args)]


# Where no effect may start.


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ("(doall (map (fn [x] (now!)) [1]))", "lazy sequence"),
        ("(swap! (atom 1) (fn [x] (now!)))", "swap!"),
        ("(sort (fn [a b] (now!) true) [1 2])", "sort"),
        ("(sort-by (fn [x] (now!)) [1 2])", "sort-by"),
        ("(let [x :- (fn [_] (now!)) 1] x)", "main/main/fn"),
        ("((fn [x :- some?] :- (fn [_] (now!)) x) 1)", "main/main/fn"),
        ("((fn [x] {:pre [(now!)]} x) 1)", "main/main/fn"),
        ("((fn [x] {:post [(now!)]} x) 1)", "main/main/fn"),
        ("(repeatedly 2 uuid!)", None),
    ],
)
def test_an_effect_is_refused_where_it_could_run_twice(body: str, where: str | None) -> None:
    if where is None:
        with pytest.raises((FlowError, FlowmetalError)):
            run(f"(doall {body})")
        return
    with pytest.raises(FlowError) as caught:
        run(body)
    assert caught.value.error.type is keyword("effect/refused")
    assert where in str(caught.value)


def test_effects_are_fine_in_mapv_reduce_doseq_and_run() -> None:
    world = World()
    run(
        "(do (mapv (fn [x] (now!)) [1 2]) (reduce (fn [_ x] (now!)) nil [1 2]) (doseq [x [1]] (now!)) (run! (fn [_] (now!)) [1]))",
        world,
    )
    assert world.kinds() == ["time/now"] * 6


def test_the_state_of_atoms_and_lazy_sequences_lives_through_every_wait() -> None:
    body = (
        "(let [a (atom 0) s (map (fn [x] (swap! a inc) (* x x)) (range))]"
        " (first s) (now!) (let [xs (doall (take 5 s))] (now!) [xs @a (identical? a a)]))"
    )
    assert pr_str(run(body)) == "[(0 1 4 9 16) 5 true]"


def test_a_with_out_str_lives_through_a_wait() -> None:
    assert run('(with-out-str (print "a") (now!) (print "b"))') == "ab"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('(http/get! "u" 5)', "`get!` needs its options in a map, got 5"),
        ("(fs/slurp! nil)", "`slurp!` needs a string as a path, got nil"),
        ("(fs/copy! \"a\" :b)", "`copy!` needs a string as a path, got :b"),
        ('(sh/sh! "a" nil)', '`sh!` needs a command and its arguments, got ["a" nil]'),
        ("(sh/shell! nil)", "`shell!` needs a string, got nil"),
        ("(env! :HOME)", "`env!` needs a string as the name, got :HOME"),
        ('(log/log! :loud "m")', "`log!` needs :debug, :info, :warn or :error, got :loud"),
        ("(log/with-context 5 1)", "`with-context` needs a map, got 5"),
        ('(log/count! "m" :n)', "`count!` needs a number, got :n"),
        ("(log/timing! :m 5)", "`timing!` needs a duration as argument 2, got 5"),
        ("(receive! 5)", "`receive!` needs a string or a keyword as the name, got 5"),
        ("(receive! :a 5)", "`receive!` needs its options in a map, got 5"),
        ("(sleep! nil)", "`sleep!` needs a duration, argument 1 is nil"),
        ("(retry/with-retry! nil 1)", "`retry` needs a policy: write"),
        ('(http/get! "u" {:timout (seconds 1)})', "`get!` does not know the option :timout"),
        ('(http/post! "u" {:verify 5})', "`post!` needs a function as :verify, got 5"),
        ('(http/paginate! inc {:maxpages 5})', "`paginate!` does not know the option :maxpages"),
        ('(sh/sh! "a" {:tmeout 5})', "`sh!` does not know the option :tmeout"),
        ('(sh/shell! "a" {:argv ["b"]})', "`shell!` does not know the option :argv"),
        ('(fs/spit! "f" "x" {:apend true})', "`spit!` does not know the option :apend"),
        ('(fs/slurp! "f" {:encoding "x"})', "`slurp!` does not know the option :encoding"),
        ('(fs/delete! "f" {:path "g"})', "`delete!` does not know the option :path"),
        ("(retry/exponential (seconds 1) {:facter 3})", "`exponential` does not know the option :facter"),
        ("(retry/exponential 5)", "`exponential` needs a duration, argument 1 is the number 5"),
        ("(retry/policy {:retry-if 5})", ":retry-if is a function, got 5"),
        ("(retry/policy {:backoff {:kind :constant :base (seconds 1) :mx 1}})", "a backoff has no :mx"),
        ("(start! main {} {})", "`start!` needs its arguments in a vector, got {}"),
        ("(start! main [] {:priority 5})", "`start!` needs a :queue for :priority, got 5"),
        ('(start! main [] {:queue "mail"})', "`start!` needs what defqueue has defined as :queue, got \"mail\""),
        ('(start! main [] {:entry "x"})', "`start!` needs the name of a deployed program for :entry"),
        ('(http/get! "u" {:retry {:tries 2}})', "a retry policy has no :tries"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_named_before_anything_is_asked(body: str, message: str) -> None:
    world = World()
    with pytest.raises(FlowError) as caught:
        run(body, world)
    assert str(caught.value).startswith(message)
    assert world.asked == []


def test_arguments_are_realised_before_they_leave() -> None:
    world = World()
    run('(http/post! "u" {:json (map inc [1 2])})', world)
    assert pr_str(world.asked[0].args.get(keyword("json"))) == "(2 3)"
