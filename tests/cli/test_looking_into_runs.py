"""``fmvm repl RUN``: a conversation inside of a copy of a run."""

from __future__ import annotations

import json

import pytest


def conversation(shell, text: str, *words: str):
    return shell("fmvm", "repl", "p", *words, stdin=text.encode())


def test_forms_see_the_locals_of_the_frame_that_is_looked_at(waiting) -> None:
    shown = conversation(waiting, "[name @seen]\n(frame 2)\n[who sum]\n(locals)\n")
    assert (shown.status, shown.err) == (0, "")
    first, *frames, who, locals = shown.out.splitlines()
    assert (first, who) == ("[:b [5]]", '["Ada" 15]')
    assert frames[1:] == [
        "    0 flow.event/receive!  flow/event.flow:26:6",
        "    1 past/take!  past.flow:7:13",
        ">   2 past/main  past.flow:14:11",
        "nil",
    ]
    assert locals.startswith('{who "Ada", a 5, sum 15')


def test_the_conversation_is_about_an_earlier_state(waiting) -> None:
    shown = conversation(waiting, "[name @seen]", "--at", "2")
    assert (shown.status, shown.out) == (0, "[:a []]\n")
    shown = conversation(waiting, "who", "--frame", "2")
    assert (shown.status, shown.out) == (0, '"Ada"\n')


def test_what_is_said_changes_the_copy_and_never_the_run(waiting) -> None:
    said = """
      (def twice (* 2 (count @seen)))
      (defn more [n] (+ n twice))
      (defmacro unless [test form] `(if ~test nil ~form))
      (swap! seen conj (more 1))
      (unless (= *1 [5 3]) :other)
      (do (require '[flow.string :as text]) (text/join "," [name (last @seen)]))
    """
    shown = conversation(waiting, said)
    assert (shown.status, shown.err) == (0, "")
    assert shown.out.splitlines() == [
        "#'past/twice",
        "#'past/more",
        "#'past/unless",
        "[5 3]",
        "nil",
        '":b,3"',
    ]
    assert waiting("fmvm", "eval", "p", "@seen").out == "[5]\n"
    assert waiting("fmvm", "verify", "p").status == 0
    assert waiting("fmvm", "signal", "p", "b", "6").status == 0
    assert waiting("fmvm", "resume", "p").out == '["Ada" 5 15 6]\n'
    assert conversation(waiting, "@seen").out == "[5 6]\n"


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("(uuid!)", "the effect id/uuid is refused"),
        ("(spawn! (fn [] 1))", "spawning a fiber is refused"),
        ("(loop [] (recur))", "more than 10,000,000 steps"),
        ("(frame 9)", "fiber 1 of run p has no frame 9: it has frames 0, the innermost, to 2"),
        ("(fiber 7)", "run p has no fiber 7: its fibers are 1"),
        ("(frame :a)", "a number is needed, got :a"),
        ("(+ 1 naem)", "did you mean `name`?"),
    ],
)
def test_what_cannot_be_is_an_error_and_the_conversation_goes_on(waiting, form, said) -> None:
    shown = conversation(waiting, f"{form}\nname\n")
    assert (shown.status, shown.out) == (1, ":b\n")
    assert said in shown.err
    assert "-form" not in shown.err


def test_a_definition_that_does_not_compile_changes_nothing(waiting) -> None:
    shown = conversation(
        waiting, "(defn take! [n] nmae)\n(defn f [] nmae)\n(f)\n#'take!\n(source take!)"
    )
    assert "unknown name `f`" in shown.err
    assert "(defn take! [name]" in shown.out


def test_what_is_not_there_is_told_before_the_conversation_begins(waiting) -> None:
    assert "there is no run q" in waiting("fmvm", "repl", "q", stdin=b"1").err
    for words, status, said in (
        (("--at", "99"), 2, "no event 99"),
        (("--frame", "9"), 2, "no frame 9"),
        (("-A",), 2, "nothing can be granted"),
    ):
        shown = conversation(waiting, "1\n", *words)
        assert (shown.status, shown.out) == (status, ""), shown
        assert said in shown.err
    shown = waiting("fmvm", "repl", "--at", "3", stdin=b"1")
    assert (shown.status, "are about a run" in shown.err) == (2, True)


FIBERS = """(ns past
  (:require [flow.event :refer [receive!]] [flow.async :refer [all! chan deliver! offer! promise! <!]]))
(def answer (promise!))
(def orders (chan))
(def worker (atom nil))
(defn main []
  (reset! worker (spawn! receive! :never))
  (all! (await! answer) (<! orders) (receive! :go)))
(defn first-waits [] (await! answer))
"""


@pytest.mark.parametrize("entry", ["main", "first-waits"])
def test_who_waits_in_the_run_does_not_go_on_in_the_copy(shell, entry: str) -> None:
    shell.write("past.flow", FIBERS)
    assert shell("fmvm", "start", "past.flow", "--id", "p", "--entry", entry).status == 0
    assert shell("fmvm", "interpreter", "--until-idle").status == 0
    shown = conversation(shell, "(deliver! answer 4)\n@answer\n(offer! orders 5)\n")
    assert (shown.err, shown.out) == ("", f"true\n4\n{'true' if entry == 'main' else 'nil'}\n")
    assert shell("fmvm", "eval", "p", "(deliver! answer 4)").out == "true\n"
    if entry == "main":
        assert "waiting is refused" in shell("fmvm", "eval", "p", "(await! @worker)").err


def test_a_local_is_shown_with_its_own_value_or_not_at_all(shell) -> None:
    shell.write(
        "frame.flow",
        """
(ns frame)
(defn main [& args]
  (let [cleared (mapv inc [1 2 3])
        n (count (into cleared cleared))
        none (first [])]
    (doseq [[k _] {:job n}] (println k))
    (doseq [each [[:made :up]]] (println (first each)))
    (println (with-out-str (doseq [[a b] {1 2}] (println a b))))
    (when (= n 6) (throw (ex-info "no" {:n n :none none})))
    (let [later (str n)] [n none later later])))
""",
    )
    assert shell("fmvm", "run", "frame.flow", "--id", "f").status == 1
    failed = json.loads(shell("fmvm", "show", "f", "--json").out)["fibers"][0]
    values = failed["locals"][0]["values"]
    assert {"n": "6", "none": "nil"}.items() <= values.items()
    assert not {"cleared", "later"} & set(values)
    assert {"k": ":job", "each": "[:made :up]"}.items() >= {
        name: value for name, value in values.items() if name in ("k", "each")
    }.items()


SHARED = """(ns shared (:require [flow.event :refer [receive!]]))
(defn main [given]
  (let [sum (let [given (inc given) kept (* 2 given)] (+ given kept given))
        found (try (+ sum sum) (catch :x e [e e]))
        given (str "late " given)]
    (receive! :go)
    (let [inner found] (receive! :go) [inner inner found found sum given given])))
"""


@pytest.mark.parametrize(
    ("name", "value"),
    [("sum", "12"), ("found", "24"), ("given", '"late 2"'), ("kept", None), ("e", None)],
)
def test_a_local_is_the_one_in_scope_whatever_shared_its_slot(shell, name, value) -> None:
    shell.write("shared.flow", SHARED)
    shell("fmvm", "start", "shared.flow", "--id", "s", "--input", "2")
    shell("fmvm", "interpreter", "--until-idle")
    shown = shell("fmvm", "eval", "s", name)
    if value is None:
        assert (shown.status, f"unknown name `{name}`" in shown.err) == (1, True)
    else:
        assert shown.out == f"{value}\n", shown.err
        assert shell("fmvm", "repl", "s", stdin=name.encode()).out.endswith(f"{value}\n")
