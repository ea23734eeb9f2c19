"""What compiling costs: ``fmc compile`` of a program of 1,000 lines, and ``fmc test`` of a namespace with no test.

CPU time of a whole process, medians. Bars: 5 seconds and 1 second.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

REPEATS = 5
LINES = 1_000
FUNCTION = """(defn f{n}
  "Do {n}."
  [x y]
  (let [{{:keys [a b] :or {{a 1}}}} (if (map? x) x {{:b x}})
        total (reduce + (map (fn [k] (* k {n})) (range y)))]
    (cond
      (neg? total) [:neg a]
      (= b {n})    (str/join "," (for [k (range 3) :when (odd? k)] (str k b)))
      :else        (-> total (+ a) (max 3)))))

"""
EMPTY = "(ns a-test (:require [clojure.test :refer [deftest is]]))\n"
FMC = "import sys; sys.argv[0] = 'fmc'; from flowmetal.cli.entry import fmc; fmc()"


def program(lines: int) -> str:
    """Return a program of so many lines that uses what programs use."""
    head = "(ns big (:require [flow.string :as str]))\n\n"
    count = (lines - 3) // FUNCTION.count("\n")
    body = "".join(FUNCTION.format(n=n) for n in range(count))
    return f"{head}{body}(defn main [] (f{count - 1} 1 2))\n"


def cpu_seconds(words: Sequence[str]) -> float:
    """Return the CPU time (user and system) of ``fmc`` with these arguments."""
    process = subprocess.Popen([sys.executable, "-c", FMC, *words], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"fmc {' '.join(words)}: exit status {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        source, test = Path(name) / "big.flow", Path(name) / "a_test.flow"
        source.write_text(program(LINES))
        test.write_text(EMPTY)
        for what, words in (
            (f"fmc compile, {LINES} lines", ["compile", str(source)]),
            ("fmc test, no test", ["test", str(test)]),
        ):
            seconds = statistics.median(cpu_seconds(words) for _ in range(REPEATS))
            print(f"{what:<28}{seconds * 1000:6.0f} ms CPU")


if __name__ == "__main__":
    main()
