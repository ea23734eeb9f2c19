"""A secret is used by connectors and is found nowhere else: not in the store, the log or what is printed."""

from __future__ import annotations

from tests.shell import Shell

CANARY = "canary-5cf7a217137e"

PROGRAM = """
(ns leaks
  (:require [flow.config :refer [config]]
            [flow.log :as log]
            [flow.secret :refer [secret]]
            [flow.sh :refer [sh!]]))

(defn main [fail]
  (let [key (secret :canary)
        out (:out (sh! "sh" "-c" "echo $K; echo $K >&2; test ${#K} = 19" {:env {"K" key}}))
        said (:out (sh! "cat" {:in key}))]
    (println key (str key) (pr-str {:key key}) out said (config :key))
    (log/info! "using" {:key key :out out})
    (when (= fail "yes")
      (sh! "sh" "-c" "echo $K; exit 3" {:env {"K" key} :retry {:max-attempts 1}}))
    {:key key :same (= key #secret "canary" (config :key)) :said said}))
"""


def grep(shell: Shell, text: str) -> list[str]:
    files = [path for path in shell.folder.rglob("*") if path.is_file()]
    return [path.name for path in files if text.encode() in path.read_bytes()]


def test_nothing_but_the_command_sees_a_secret(shell: Shell) -> None:
    shell.monkeypatch.setenv("FLOWMETAL_SECRET_CANARY", CANARY)
    shell.monkeypatch.chdir(shell.folder)
    shell.write("leaks.flow", PROGRAM)
    shell.write("flow.edn", '{:paths ["."] :config {:key #secret "canary"}}')
    for fail, status in (("no", 0), ("yes", 1)):
        done = shell("fmvm", "run", "leaks.flow", "-A", "--id", fail, fail)
        assert done.status == status, done.err
        assert "canary" in done.out
        shown = [
            shell("fmvm", verb, fail, *more)
            for verb in ("show", "events", "why")
            for more in ((), ("--json",))[: 1 if verb == "why" else 2]
        ]
        assert CANARY not in done.out + done.err + "".join(each.out + each.err for each in shown)
    assert grep(shell, "#secret canary")  # the store is here
    assert grep(shell, CANARY) == []


def test_no_grant_makes_a_secret_a_variable(shell: Shell) -> None:
    shell.monkeypatch.setenv("FLOWMETAL_SECRET_CANARY", CANARY)
    shell.write("reads.flow", '(defn main [] (flow.env/env! "FLOWMETAL_SECRET_CANARY"))')
    for grant in ("-A", "--allow-env=*", "--allow-env=FLOWMETAL_SECRET_CANARY"):
        done = shell("fmvm", "run", "reads.flow", grant)
        assert done.status == 1
        assert 'write #secret "canary"' in done.err
        assert CANARY not in done.out + done.err
    assert grep(shell, CANARY) == []
