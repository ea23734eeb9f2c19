"""Programs to crash: each has 10 to 50 effects and a result that no crash may change.

No result depends on the time or on fresh ids; waits are short, so that the
same programs run under a virtual clock and under the real one. ``signals`` are
sent before the program runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flowmetal.effects.errors import effect_error
from flowmetal.effects.requests import Call, EffectFailed
from flowmetal.testing.world import ScriptedWorld
from flowmetal.values import Map, Value, keyword

HEAD = """
(ns t (:require [flow.event :as event :refer [receive!]] [flow.lock :as lock :refer [with-lock!]]
            [flow.queue :as queue :refer [defqueue]] [flow.state :as state] [flow.log :as log] [flow.retry :as retry]
            [flow.async :refer :all] [flow.http :as http] [flow.saga :refer [saga! compensate! step+undo!]]))
(defforeign quick [x])
(defforeign remote [x])
(defforeign flaky [x])
(defforeign broken [x])
"""


@dataclass(frozen=True, eq=False)
class Case:
    """A program and the signals that it gets."""

    name: str
    body: str
    signals: Mapping[str, Value] = field(default_factory=dict)
    attempts_vary: bool = False  # a crash may add or save an attempt, and so effects of the retry
    in_doubt: bool = False  # an at-most-once effect: a crash may change the result, in one way
    fibers: bool = False  # effects in flight side by side: their order, and so their numbers, vary
    verifies: bool = False  # after a crash the program asks what happened: effects of its own

    @property
    def source(self) -> str:
        return HEAD + self.body


# fmt: off
CASES = (
    Case("quick-loop", """
      (defn main [] (loop [i 0 sum 0] (if (< i 20) (recur (inc i) (+ sum (quick i))) sum)))"""),
    Case("remote-loop", """
      (defn main [] (loop [i 0 seen []] (if (< i 12) (recur (inc i) (conj seen (remote i))) seen)))"""),
    Case("locals-between", """
      (defn main []
        (loop [i 0 sum 0]
          (if (< i 12)
            (do (now!) (uuid!) (log/info! "round" {:i i})
                (recur (inc i) (+ sum (if (even? i) (quick i) (remote i)))))
            sum)))"""),
    Case("closures", """
      (defn main []
        (let [add (fn [n] (fn [x] (+ n (quick x))))
              fs (mapv add (range 10))]
          (reduce (fn [sum f] (f sum)) 0 fs)))"""),
    Case("atoms-and-shared-data", """
      (defn main []
        (let [shared [1 2 3] a (atom {:left shared :right shared :seen []})]
          (dotimes [i 12] (let [q (quick i)] (swap! a update :seen conj q)) (remote i))
          [(identical? (:left @a) (:right @a)) (:seen @a)]))"""),
    Case("what-a-process-remembers", """
      (defn main []
        (let [xs (vec (range 200)) part (vec (range 70))
              twins (mapv (fn [n] [part n]) xs)
              others (mapv (fn [n] [(vec (range 70)) n]) xs)]
          (mapv (fn [i] [(hash [inc (atom i)]) (hash twins) (= twins others) (get {others i} twins) (quick i) (remote i)]) (range 6))))"""),
    Case("finally-and-catch", """
      (defn guarded [i log]
        (try
          (try (if (= 0 (mod i 3)) (broken i) (remote i))
               (finally (let [q (quick [:finally i])] (swap! log conj q))))
          (catch :t/broken e [:caught (:x (ex-data e))])))
      (defn main []
        (let [log (atom [])] [(mapv (fn [i] (guarded i log)) (range 9)) @log]))"""),
    Case("evaluated-code", """
      (defmacro twice [form] `(let [x# ~form] (+ x# x#)))
      (def seen (atom []))
      (defn main []
        (eval '(defn step [i] (swap! seen conj (quick i)) (+ i (remote i))))
        (let [make (eval '(fn [n] (fn [x] (+ n (quick x)))))
              add (make 10)
              step @(resolve 'step)
              first-sum (reduce + (mapv step (range 3)))]
          (eval '(def words {:big "a literal of this run"}))
          (load-string "(defmacro thrice [f] (list '+ f f f)) (def n (thrice (twice (quick 7))))")
          (eval '(defn step [i] (* 100 (remote i))))
          [first-sum (add (quick 1)) (eval '(twice (remote n))) @seen (eval '(step 2)) (step 1)
           (identical? (eval 'words) @(resolve 'words))
           (try (eval '(let [x] (quick x))) (catch :compile/error e (ex-message e)))]))"""),
    Case("retries-of-a-connector", """
      (def soon {:max-attempts 10 :backoff #dur "1ms" :jitter :none})
      (defn main [] (mapv (fn [i] (perform :t/flaky {:args [i] :retry soon})) (range 10)))"""),
    Case("retried-steps", """
      (def policy (retry/policy {:max-attempts 5 :backoff (retry/constant #dur "1ms") :jitter :none}))
      (defn main []
        (mapv (fn [i] (step! (str "step-" i) {:retry policy} (+ (quick i) (flaky (+ 100 i))))) (range 3)))""", attempts_vary=True),
    Case("sleeps", """
      (defn main [] (loop [i 0 sum 0] (if (< i 12) (do (sleep! #dur "1ms") (recur (inc i) (+ sum (quick i)))) sum)))"""),
    Case("signals", """
      (defn main []
        (loop [i 0 got []]
          (if (< i 6)
            (let [s (receive! (if (even? i) :even :odd)) q (quick s)] (recur (inc i) (conj got q)))
            [got (receive! :never {:timeout #dur "1ms" :else :nobody})])))""",
         {f"{name}:{i}": i for i in range(6) for name in [("even", "odd")[i % 2]]}),
    Case("deep-recursion", """
      (defn down [n] (if (= n 0) 0 (let [below (down (dec n))] (if (= 0 (mod n 20)) (+ below (quick n)) (inc below)))))
      (defn main [] (down 300))"""),
    Case("lazy-and-big", """
      (defn main []
        (loop [i 0 m (into {} (map (fn [k] [k (* k k)]) (range 100))) evens (filter even? (range))]
          (if (< i 12)
            (recur (inc i) (assoc m (+ 1000 i) (quick (first evens))) (rest evens))
            [(count m) (reduce + (map second m)) (first evens)])))"""),
    Case("locks-and-state", """
      (def rate (lock/rate-limit "r" {:limit 2 :per #dur "1ms"}))
      (defn main []
        (let [tokens (mapv (fn [i] (with-lock! "l" (quick i) (lock/throttle! rate) (state/update! "n" (fnil inc 0)) (lock/token))) (range 3))]
          [tokens (state/get! "n") (state/delete! "n") (lock/singleton! "l" :free)]))"""),
    Case("topics-and-callbacks", """
      (defn main []
        (let [s (event/subscribe! :t) cb (event/callback! {:timeout #dur "5ms"})]
          (dotimes [i 3] (event/publish! :t (quick i)))
          [(mapv (fn [_] (event/receive! s)) (range 3))
           (event/await-callback! cb {:timeout #dur "1ms" :else :nobody})
           (try (event/await-callback! cb) (catch :timeout e (:after (ex-data e))))
           (event/keep-shared! "p" 1) (event/await-shared! "p")]))"""),
    Case("children", """
      (defn child [i] (quick i) (sleep! #dur "1ms") (if (= i 2) (throw (ex-info "no" {:type :no :i i})) (* 10 i)))
      (defn main []
        (let [runs (mapv (fn [i] (start! child [i])) (range 5))]
          (mapv (fn [run] (try (await! run) (catch :no e (:i (ex-data e))))) runs)))"""),
    Case("printing", """
      (defn main [] (dotimes [i 10] (println "line" i) (remote i)) :printed)"""),
    Case("at-most-once", """
      (defn once [i]
        (try (perform :t/remote {:args [i] :at-most-once true})
             (catch :effect/in-doubt e :in-doubt)))
      (defn main [] (mapv once (range 10)))""", in_doubt=True),
    Case("verified", """
      (defn charge [i] (:paid (http/post! "https://pay" {:json {:paid i} :verify (fn [e] (remote {:paid i}))})))
      (defn main [] (mapv charge (range 10)))""", verifies=True),
    Case("sagas", """
      (def soon {:max-attempts 10 :backoff #dur "1ms" :jitter :none})
      (defn book [i]
        (saga! {:undo-retry soon}
          (step+undo! [r (remote i)] (remote [:undo r]))
          (http/post! "https://book" {:json i :undo (fn [r] (remote [:cancel r]))})
          (compensate! quick [:forget i])
          (if (odd? i) (throw (ex-info "full" {:type :full :i i})) (remote :booked))))
      (defn main [] (mapv (fn [i] (try (book i) (catch :full e (mapv :ok (:compensated (ex-data e)))))) (range 3)))"""),
    Case("fibers", """
      (def soon {:max-attempts 10 :backoff #dur "1ms" :jitter :none})
      (defn main []
        [(all! (remote 1) (quick 2) (do (sleep! #dur "1ms") (remote 3)) (perform :t/flaky {:args [4] :retry soon}))
         (pmap! remote (range 10 16) {:concurrency 3})])""", fibers=True),
    Case("fibers-cancelled", """
      (defn main []
        [(race! (do (remote 1) :won) (try (sleep! #dur "1h") (finally (remote 2) (quick 3))))
         (with-timeout! #dur "1ms" {:else :late} (try (sleep! #dur "1h") (finally (remote 4))))
         (try (all! (broken 5) (try (sleep! #dur "1h") (finally (remote 6))))
              (catch :t/broken e (:x (ex-data e))))
         (mapv (fn [r] (:ok r)) (settle! (remote 7) (broken 8)))])""", fibers=True),
    Case("fibers-in-a-step", """
      (def policy (retry/policy {:max-attempts 9 :backoff (retry/constant #dur "1ms") :jitter :none}))
      (defn main []
        (step! "all" {:retry policy}
          (pmap! (fn [i] (+ (quick i) (remote (+ 10 i)) (flaky (+ 100 i)))) (range 2) {:concurrency 2})))""",
         fibers=True, attempts_vary=True),
    Case("fibers-and-channels", """
      (defn main []
        (let [in (chan) out (chan 2)]
          (go! (doseq [i (range 6)] (>! in (remote i))) (close! in))
          (pipeline! 2 out (map quick) in)
          (loop [seen []] (let [v (<! out)] (if (nil? v) seen (recur (conj seen v)))))))""", fibers=True),
)
# fmt: on

BY_NAME = {case.name: case for case in CASES}

X = keyword("args")


def world() -> ScriptedWorld:
    """The world of the corpus. What it answers depends on the arguments and the attempts alone."""
    tried: dict[str, int] = {}

    def echo(args: Map) -> Value:
        return args.get(X).nth(0)

    def remote(call: Call) -> Value:
        return echo(call.args)

    def answer(call: Call) -> Value:
        return call.args.get(keyword("json"))

    def flaky(call: Call) -> Value:
        # The world remembers attempts by their key, as a real service does.
        seen = tried[call.idempotency_key] = tried.get(call.idempotency_key, 0) + 1
        if seen < 3:
            raise EffectFailed(
                effect_error("FM0705", "t/flaky", "not now", retryable=True), retry_after_us=None
            )
        return echo(call.args)

    def broken(call: Call) -> Value:
        raise EffectFailed(effect_error("FM0705", "t/broken", "no", {"x": echo(call.args)}))

    return ScriptedWorld(
        connectors={
            "http/request": answer,
            "t/remote": remote,
            "t/flaky": flaky,
            "t/broken": broken,
        },
        functions={"t/quick": echo},
    )
