"""Rewrite a ``torch.export`` file so that loading it runs nothing; refuse pickles, compiled code, sub-graphs.

``torch.export.load`` unpickles parts (falling back to ``weights_only=False``), opens native libraries, evaluates
symbolic expressions and guards as Python, imports the modules that a tree specification names, and writes the names of
a graph into source code that it executes (torch 2.13). Therefore only the parts, fields, operators and texts that a
plain classifier needs are copied into a new file, which has no pickle.
"""

from __future__ import annotations

import ast
import io
import json
import re
import struct
import zipfile
from typing import Any, Final

from jobs.gamedata.checks.operators import OPERATORS
from shared import strict_json
from shared.text import cut

__all__ = ["rewrite"]

# The graph of a ViT with 12 layers has 1 MB.
_MAX_JSON: Final = 64 << 20
# A model for frames has at most a few hundred tensors.
_MAX_PARTS: Final = 10_000
_ENCRYPTED: Final = 1  # APPNOTE.TXT 4.4.4, bit 0

_GRAPH: Final = "models/model.json"
_CONFIGS: Final = {
    "data/weights/model_weights_config.json": "weight_",
    "data/constants/model_constants_config.json": "tensor_",
}
_SAMPLE_INPUTS: Final = "data/sample_inputs/model.pt"
_CONSTANT_PARTS: Final = {"archive_format": b"pt2", "archive_version": b"0", "byteorder": b"little"}
_TENSOR: Final = re.compile(r"data/(weights/weight|constants/tensor)_[0-9]{1,6}")
# Written by torch and not needed to load the file. The sample inputs are a pickle.
_DROPPED: Final = frozenset(
    {_SAMPLE_INPUTS, ".data/version", ".data/serialization_id", ".format_version", ".storage_alignment"}
)

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,200}")
_SYMBOL: Final = re.compile(r"[a-z]{1,4}[0-9]{1,9}")
# Without segments such as __class__, because the values become attributes of a module.
_PATH: Final = re.compile(r"(?!__)[A-Za-z0-9_]{1,100}(\.(?!__)[A-Za-z0-9_]{1,100}){0,20}")
_FLOAT: Final = re.compile(r"-?Infinity|NaN")
# Each text of the graph, by the key that it is under. A text under another key is refused.
_TEXTS: Final[dict[str, re.Pattern[str]]] = {
    "name": _NAME,
    "as_name": _NAME,
    "forward_arg_names": _NAME,
    "parameter_name": _PATH,
    "buffer_name": _PATH,
    "tensor_constant_name": _PATH,
    "path_name": re.compile(r"(weight|tensor)_[0-9]{1,6}"),
    "fqn": re.compile(""),
    "type": re.compile(r"cpu|cuda"),
    "as_float": _FLOAT,
    "as_floats": _FLOAT,
    "as_string": re.compile(r"[^\x00-\x1f\x7f-\x9f]{0,2000}"),
    "verifiers": re.compile(r"[A-Z_]{1,30}"),
    "torch_version": re.compile(r"[A-Za-z0-9.+<=_-]{1,50}"),
}
_LISTS: Final = frozenset({"forward_arg_names", "as_floats", "verifiers"})
# Objects whose keys are names of the program, not of the schema.
_MAPS: Final[dict[str, re.Pattern[str]]] = {
    "tensor_values": _NAME,
    "sym_int_values": _NAME,
    "sym_bool_values": _NAME,
    "sym_float_values": _NAME,
    "range_constraints": _SYMBOL,
    "opset_version": _NAME,
    "config": _PATH,
}
# torch/_export/serde/schema.py, without sub-graphs, custom objects, operators as values, tokens and mutations.
_FIELDS_TEXT: Final = """
graph_module opset_version range_constraints schema_version verifiers torch_version guards_code graph signature
module_call_graph metadata treespec_namedtuple_fields inputs outputs nodes tensor_values sym_int_values
sym_bool_values sym_float_values custom_obj_values is_single_tensor_return target is_hop_single_tensor_return name arg
kind input_specs output_specs user_input user_output parameter parameter_name buffer buffer_name persistent
tensor_constant tensor_constant_name fqn in_spec out_spec forward_arg_names min_val max_val major minor dtype sizes
requires_grad device strides storage_offset layout type index expr_str hint as_expr as_int as_ints as_float as_floats
as_bool as_bools as_none as_string as_tensor as_tensors as_optional_tensor as_optional_tensors as_name as_sym_int
as_sym_ints as_sym_float as_sym_floats as_sym_bool as_sym_bools as_scalar_type as_memory_format as_layout as_device
as_int_lists config path_name is_param use_pickle tensor_meta
"""
_FIELDS: Final = frozenset(_FIELDS_TEXT.split())
_TREE_TYPES: Final = frozenset({None, "builtins.tuple", "builtins.list", "builtins.dict"})

_OPERATOR: Final = re.compile(r"torch\.ops\.aten\.([A-Za-z0-9_]+)\.[A-Za-z][A-Za-z0-9_]*")
# Arithmetic over sizes.
_SIZE_OPERATOR: Final = re.compile(
    r"_operator\.(add|sub|mul|floordiv|truediv|mod|neg|eq|ne|lt|le|gt|ge|and_|or_|getitem)"
    r"|torch\.sym_(float|int|max|min|not|ite|sum)|math\.(ceil|floor|trunc)"
)
_FUNCTIONS_TEXT: Final = """
Integer Rational Add Mul Pow PowByNatural Max Min Mod PythonMod FloorDiv CeilDiv CleanDiv ModularIndexing
IntTrueDiv FloatTrueDiv CeilToInt FloorToInt TruncToInt TruncToFloat RoundToInt ToFloat Identity Where Equality
Unequality GreaterThan StrictGreaterThan LessThan StrictLessThan And Or Not
"""
_FUNCTIONS: Final = frozenset(_FUNCTIONS_TEXT.split())
_MAX_EXPRESSION: Final = 4_000
_MAX_LEVELS: Final = 24
_MAX_INT: Final = 2**63
_MAX_EXPONENT: Final = 8
_MAX_PRECISION: Final = 64
_ATOMS: Final = {"Symbol": _SYMBOL, "Float": re.compile(r"-?[0-9.e+-]{1,30}")}


def rewrite(body: bytes) -> bytes:
    """Return a file with the same program and weights that runs nothing when it is loaded.

    Args:
        body: a ``.pt2`` file, as ``torch.export.save`` of torch 2.8 or later writes it.

    Raises:
        ValueError: the file is not one, or contains something else than a plain program and its tensors.
    """
    try:
        parts = _parts(body)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, OverflowError, struct.error) as error:
        raise ValueError(f"not a .pt2 file ({error})") from error
    graph = _document(parts, _GRAPH)
    _simplify(graph)
    _check(graph, "")
    taken = {**_CONSTANT_PARTS, ".data/version": b"6\n", _GRAPH: _json(graph), _SAMPLE_INPUTS: b""}
    for path, prefix in _CONFIGS.items():
        config = _document(parts, path)
        _check(config, "")
        taken[path] = _json(config)
        taken |= _tensors(config, parts, path.rpartition("/")[0], prefix)
    rewritten = io.BytesIO()
    with zipfile.ZipFile(rewritten, "w", zipfile.ZIP_STORED) as archive:
        for path, content in taken.items():
            # A ZipInfo of its own has the date 1980-01-01. writestr() with a name takes the time of day, and the same
            # program would then have other bytes two seconds later.
            archive.writestr(zipfile.ZipInfo(f"program/{path}"), content)
    return rewritten.getvalue()


def _parts(body: bytes) -> dict[str, bytes]:
    """Return the parts by name, without the folder that contains them all."""
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        entries = archive.infolist()
        if len(entries) > _MAX_PARTS:
            raise ValueError(f"the file has {len(entries)} parts; expected at most {_MAX_PARTS}")
        if sum(each.file_size for each in entries) > len(body) or any(
            each.compress_type != zipfile.ZIP_STORED or each.flag_bits & _ENCRYPTED for each in entries
        ):
            raise ValueError("the file is compressed, encrypted or has overlapping parts")
        roots = {each.filename.partition("/")[0] for each in entries}
        if len(roots) != 1:
            raise ValueError("the parts of the file are not in one folder, as torch.export.save writes them")
        parts: dict[str, bytes] = {}
        for entry in entries:
            name = entry.filename.partition("/")[2]
            if name in parts:
                raise ValueError(f"the file has the part {name!r} twice")
            known = name in _CONSTANT_PARTS or name in _DROPPED or name in _CONFIGS or name == _GRAPH
            if not known and not _TENSOR.fullmatch(name):
                raise ValueError(
                    f"the file has the part {cut(name, 100)!r}, which a program with plain weights does not have"
                )
            parts[name] = b"" if name in _DROPPED else archive.read(entry)
    for name, content in _CONSTANT_PARTS.items():
        if parts.get(name, content) != content:
            raise ValueError(f"the part {name!r} is {parts[name][:20]!r}; expected {content!r}")
    return parts


def _document(parts: dict[str, bytes], name: str) -> dict[str, Any]:
    if name not in parts:
        raise ValueError(f"the file has no part {name!r}")
    if len(parts[name]) > _MAX_JSON:
        raise ValueError(f"{name} has {len(parts[name])} bytes; expected at most {_MAX_JSON}")
    document = strict_json.parse(
        parts[name], what=name, code="", reject=lambda _, message, **__: ValueError(message), floats=True
    )
    if not isinstance(document, dict):
        raise ValueError(f"{name} is not a JSON object")  # noqa: TRY004  one error for every fault of a file
    return document


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()


def _simplify(graph: dict[str, Any]) -> None:
    """Remove what is for people, debuggers and unflattening: stack traces, guards, the calls of submodules."""
    graph["guards_code"] = []  # Python source that torch executes
    module = graph.get("graph_module")
    if not isinstance(module, dict) or not isinstance(module.get("graph"), dict):
        raise ValueError(f"{_GRAPH} has no graph")  # noqa: TRY004  as above
    module["metadata"] = {}
    calls = module.get("module_call_graph")
    module["module_call_graph"] = [
        call for call in (calls if isinstance(calls, list) else []) if isinstance(call, dict) and call.get("fqn") == ""
    ]
    nodes = module["graph"].get("nodes")
    for node in nodes if isinstance(nodes, list) else []:
        if isinstance(node, dict):
            node["metadata"] = {}


def _check(value: Any, key: str) -> None:
    """Raise ValueError for a field, text or number that is not in the tables above; rewrite expressions."""
    if isinstance(value, dict):
        names = _MAPS.get(key)
        for inner, content in value.items():
            if names is None:
                value[inner] = _field(inner, content)
            elif names.fullmatch(inner):
                _check(content, "")
            else:
                raise ValueError(f"{cut(inner, 60)!r} is not a name under {key!r}")
    elif isinstance(value, list):
        for item in value:
            _check(item, key)
    elif isinstance(value, str) and not (key in _TEXTS and _TEXTS[key].fullmatch(value)):
        raise ValueError(f"the text {cut(value, 60)!r} under {key!r} is not supported")
    elif isinstance(value, int) and abs(value) > _MAX_INT:
        raise ValueError(f"an integer under {key!r} has more than 64 bits")


def _field(name: str, content: Any) -> Any:
    """Check one field of the schema and return its value."""
    if name not in _FIELDS:
        raise ValueError(f"the program has {cut(name, 60)!r}, which is not supported")
    if name == "expr_str":
        return _expression(content)
    if name in ("in_spec", "out_spec"):
        return _tree(content)
    if name == "target":
        _check_operator(content)
        return content
    # Exactly false: torch takes any other value, such as 1.0, for true.
    if name == "use_pickle" and content is not False:
        raise ValueError("the file stores a tensor as a pickle, which could run code")
    # An object in the place of a text would escape the pattern of the text.
    items = content if isinstance(content, list) and name in _LISTS else [content]
    if name in _TEXTS and any(isinstance(item, dict | list) for item in items):
        raise ValueError(f"the value of {name!r} is not a text")
    _check(content, name)
    return content


def _check_operator(target: Any) -> None:
    found = _OPERATOR.fullmatch(str(target))
    if not (found and found[1] in OPERATORS) and not _SIZE_OPERATOR.fullmatch(str(target)):
        raise ValueError(
            f"the operator {cut(str(target), 80)!r} is not on the list in jobs/gamedata/checks/operators.py"
        )


def _tree(text: Any) -> str:
    """Check a tree specification of tuples, lists and dicts; other types make torch import modules."""
    specification = strict_json.parse(
        str(text).encode(), what="a tree specification", code="", reject=lambda _, message, **__: ValueError(message)
    )
    if not isinstance(specification, list) or len(specification) != 2:  # noqa: PLR2004  version and tree
        raise ValueError("a tree specification is malformed")
    pending = [specification[1]]
    while pending:
        node = pending.pop()
        if not isinstance(node, dict) or node.keys() != {"type", "context", "children_spec"}:
            raise ValueError("a tree specification is malformed")
        if node["type"] not in _TREE_TYPES or node["context"] not in (None, "null", "[]"):
            raise ValueError(f"a tree specification contains {cut(str(node['type']), 60)!r} with a context")
        pending += node["children_spec"]
    return json.dumps(specification)


def _expression(text: Any) -> str:
    """Return a symbolic expression in Python's own notation; torch evaluates it with ``sympy.sympify``."""
    refused = ValueError(f"the expression {cut(str(text), 80)!r} is not supported")
    if not isinstance(text, str) or len(text) > _MAX_EXPRESSION:
        raise refused
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise refused from error
    if not _is_arithmetic(tree, _MAX_LEVELS, powers=1):
        raise refused
    return ast.unparse(tree)


def _is_arithmetic(node: ast.expr, levels: int, *, powers: int) -> bool:
    if not levels or not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return False
    function, arguments = node.func.id, node.args
    if function in _ATOMS:
        return all(map(_is_flag, node.keywords)) and len(arguments) == 1 and _constant(arguments[0], _ATOMS[function])
    if function not in _FUNCTIONS or node.keywords or not arguments:
        return False
    if function in ("Integer", "Rational"):
        return all(_integer(each) is not None for each in arguments)
    if function in ("Pow", "PowByNatural"):
        # Towers of powers would have any number of digits.
        base, *exponents = arguments
        return powers > 0 and list(map(_is_small, exponents)) == [True] and _is_arithmetic(base, levels - 1, powers=0)
    return all(
        (isinstance(each, ast.Name) and each.id in ("true", "false")) or _is_arithmetic(each, levels - 1, powers=powers)
        for each in arguments
    )


def _is_flag(word: ast.keyword) -> bool:
    """Return whether this is an assumption, such as ``integer=True``, or a precision, such as ``precision=53``."""
    value = word.value.value if isinstance(word.value, ast.Constant) else None
    return bool(word.arg and _NAME.fullmatch(word.arg)) and isinstance(value, int) and 0 <= value <= _MAX_PRECISION


def _is_small(node: ast.expr) -> bool:
    """Return whether this is ``Integer(n)`` with a small n."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Integer"):
        return False
    value = _integer(node.args[0]) if len(node.args) == 1 and not node.keywords else None
    return value is not None and abs(value) <= _MAX_EXPONENT


def _constant(node: ast.expr, form: re.Pattern[str]) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(form.fullmatch(node.value))


def _integer(node: ast.expr) -> int | None:
    negative = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    inner = node.operand if isinstance(node, ast.UnaryOp) and negative else node
    if not isinstance(inner, ast.Constant) or type(inner.value) is not int or inner.value > _MAX_INT:
        return None
    return -inner.value if negative else inner.value


def _tensors(config: dict[str, Any], parts: dict[str, bytes], folder: str, prefix: str) -> dict[str, bytes]:
    """Return the tensors that a config names; an empty one must declare no elements, because torch allocates them."""
    found: dict[str, bytes] = {}
    entries = config.get("config")
    for entry in entries.values() if isinstance(entries, dict) else ():
        meta = entry.get("tensor_meta") if isinstance(entry, dict) else None
        if not isinstance(meta, dict) or not str(entry.get("path_name")).startswith(prefix):
            raise ValueError(f"{folder} has an entry without a tensor")
        path = f"{folder}/{entry['path_name']}"
        if path not in parts:
            raise ValueError(f"the file has no part {path!r}")
        sizes = meta.get("sizes")
        if not parts[path] and (not isinstance(sizes, list) or {"as_int": 0} not in sizes):
            raise ValueError(f"{path} is empty, but its tensor is not")
        found[path] = parts[path]
    return found
