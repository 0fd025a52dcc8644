"""A subset of expr-lang, enough to evaluate the retry expression as Argo does. All variables are text."""

from __future__ import annotations

import ast
import re
from typing import Any

__all__ = ["evaluate"]

_ALLOWED = (
    *(ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.Compare, ast.Eq, ast.In, ast.Load),
    *(ast.Call, ast.Name, ast.Attribute, ast.Constant, ast.List),
)


def evaluate(expression: str, variables: dict[str, str]) -> bool:
    """Evaluate ``&&``, ``||``, ``==``, ``in`` and ``asInt`` over text; reject anything else."""
    tree = ast.parse(re.sub(r"&&", " and ", re.sub(r"\|\|", " or ", expression)).strip(), mode="eval")
    for node in ast.walk(tree):
        assert isinstance(node, _ALLOWED), f"{ast.dump(node)} is not evaluated here"
    return bool(_value(tree.body, variables))


def _value(node: ast.expr, variables: dict[str, str]) -> Any:
    match node:
        case ast.BoolOp(op=op, values=values):
            return (all if isinstance(op, ast.And) else any)(_value(each, variables) for each in values)
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _compared(op, _value(left, variables), _value(right, variables))
        case ast.Call(func=ast.Name(id="asInt"), args=[argument]):
            return int(_value(argument, variables))
        case ast.List(elts=elements):
            return [_value(each, variables) for each in elements]
        case ast.Constant(value=value):
            return value
    return variables[ast.unparse(node)]


def _compared(op: ast.cmpop, first: Any, second: Any) -> bool:
    if isinstance(op, ast.Eq):
        assert type(first) is type(second), "expr-lang does not compare text with a number"
        return bool(first == second)
    return first in second
