"""What the expressions of the corpus print here: one machine for all of them.

Every file of the corpus is a namespace. Its expressions become functions of
one module, which is compiled once, and again without those that do not compile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowmetal.compiler.compile import compile_more
from flowmetal.compiler.environment import Environment
from flowmetal.compiler.evaluator import EvaluationFailed
from flowmetal.compiler.options import CompileOptions
from flowmetal.embed.evaluator import SealedMachine
from flowmetal.embed.library import library
from flowmetal.embed.natives import natives
from flowmetal.embed.reading import read
from flowmetal.errors import CompileError, ReadError
from flowmetal.source import Source
from tests.differential.cases import ERROR, REQUIRED

BATCH = 64


class Evaluation:
    """A machine with the library, and the namespaces of the corpus as they come."""

    def __init__(self) -> None:
        self.environment = Environment()
        self.machine = SealedMachine(natives())
        for module in library():
            self.environment.add(module)
            self.machine.add(module)

    def answers(
        self, area: str, definitions: Sequence[str], expressions: Sequence[str]
    ) -> Iterator[str]:
        """Yield what each expression prints, ``!`` and the first line of the error for one that fails."""
        namespace = f"differential.{area}"
        self._compile(f"(ns {namespace} {REQUIRED})\n" + "\n".join(definitions), "user")
        for start in range(0, len(expressions), BATCH):
            batch = list(enumerate(expressions[start : start + BATCH], start))
            refused = dict(self._refused(namespace, batch))
            for index, _ in batch:
                yield refused[index] if index in refused else self._printed(namespace, index)

    def _refused(self, namespace: str, batch: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
        """Compile what can be; yield the others and their errors."""
        while batch:
            functions = [f"(defn -e{index} [] (pr-str {text}\n))\n" for index, text in batch]
            try:
                self._compile("".join(functions), namespace)
                return
            except (CompileError, ReadError) as error:
                lines = {one.labels[0].span.line: one.message for one in error.diagnostics}
            first, wrong = 1, {}
            for (index, _), function in zip(batch, functions, strict=True):
                after = first + function.count("\n")
                for line in range(first, after):
                    if line in lines:
                        wrong[index] = f"{ERROR} {lines[line]}"
                first = after
            assert wrong, lines
            yield from wrong.items()
            batch = [one for one in batch if one[0] not in wrong]

    def _printed(self, namespace: str, index: int) -> str:
        try:
            found = self.machine.call(f"{namespace}/-e{index}", ())
        except EvaluationFailed as error:
            return f"{ERROR} {error}".splitlines()[0]
        assert isinstance(found, str)
        return found

    def _compile(self, text: str, namespace: str) -> None:
        compile_more(
            Source("differential", text),
            namespace=namespace,
            environment=self.environment,
            evaluator=self.machine,
            read=read,
            options=CompileOptions(),
        )
