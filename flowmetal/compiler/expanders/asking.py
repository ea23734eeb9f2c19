"""What a macro written in the language asks about names where it is used: flow.test needs it.

```
(-if-function name then else)   then if the name means a function here or is local, else otherwise
(-this-namespace)               the symbol of the namespace that is compiled
```
"""

from __future__ import annotations

from flowmetal.bytecode.code import DefinitionKind
from flowmetal.compiler.environment import VarInfo
from flowmetal.compiler.expanders.call import MacroCall
from flowmetal.compiler.forms import Syntax, is_symbol, listed, local
from flowmetal.compiler.resolution import SPECIAL_FORMS, Expander
from flowmetal.values import Keyword, Symbol, Value


def expand_if_function(call: MacroCall) -> Syntax:
    name, then, otherwise = call.arguments
    return then if _is_function(call, name.form) else otherwise


def expand_this_namespace(call: MacroCall) -> Syntax:
    here = Symbol(None, call.context.namespace_name)
    return listed(call.span, local("quote"), Syntax(here, call.span))


def _is_function(call: MacroCall, form: Value) -> bool:
    if isinstance(form, Keyword):
        return True
    if not is_symbol(form) or form.text in SPECIAL_FORMS:
        return False
    if form.ns is None and call.context.scope.find(form.name) is not None:
        return True
    found = call.context.names.find(form)
    if found is None or isinstance(found, Expander):
        return False
    assert isinstance(found, VarInfo)
    return not found.macro and found.kind is not DefinitionKind.CONSTANT
