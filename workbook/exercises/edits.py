"""One small change of a function: another axis, another operator, another constant, a call or a mask left out.

Two uses. A change of the learner's own code that makes it right tells which line is wrong. A change of a
solution that makes it behave as the learner's code does tells what that code does "as if".
"""

import ast
import copy
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any

SWAPS = {
    "sum": ("mean", "amax"), "mean": ("sum",), "max": ("min", "sum"), "min": ("max",), "amax": ("amin",),
    "maximum": ("minimum",), "minimum": ("maximum",), "argmax": ("argmin",), "argmin": ("argmax",),
    "log": ("log2", "log10"), "log2": ("log", "log10"), "log10": ("log", "log2"), "exp": ("log",),
    "softmax": ("log_softmax", "sigmoid"), "log_softmax": ("softmax",), "logsumexp": ("sum", "mean"),
    "cumsum": ("sum",), "triu": ("tril",), "tril": ("triu",), "any": ("all",), "all": ("any",),
    "set": ("list",), "lower": ("upper",), "floor": ("ceil",), "square": ("sqrt",), "sqrt": ("square",),
    "view": ("reshape",), "std": ("var",), "median": ("mean",), "quantile": ("percentile",),
}  # fmt: skip
EVERYWHERE = {
    "norm": ("abs().sum(-1, keepdim=True)", "abs().sum()", "pow(2).sum(-1, keepdim=True)", "norm()"),
    "log": ("log2()", "log10()"), "log2": ("log()", "log10()"), "lower": ("strip()",), "split": ("split(' ')",),
}  # fmt: skip
OPERATORS: dict[type, tuple[type, ...]] = {
    ast.Add: (ast.Sub, ast.Mult), ast.Sub: (ast.Add,), ast.Mult: (ast.Div, ast.Add), ast.Div: (ast.Mult, ast.FloorDiv),
    ast.FloorDiv: (ast.Div,), ast.Pow: (ast.Mult,), ast.MatMult: (ast.Mult,), ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,), ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.LtE), ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE), ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
    ast.And: (ast.Or,), ast.Or: (ast.And,),
}  # fmt: skip
UNTOUCHED = ("open", "os.", "subprocess", "shutil", "socket", "requests", "urlopen", "__import__", "exec(", "eval(")


@dataclass(frozen=True)
class Edit:
    """One change: the line of the function (1 is its `def`), the words before and after, and the code with it."""

    line: int
    change: Callable[[], tuple[str, str]]  # the words before and after, written only where they are told
    code: CodeType | None
    graft: bool = False  # a part of a solution was put in
    around: bool = False  # that part holds what it takes the place of, so what it replaced was right
    source: str = ""  # the whole text, where it was asked for

    @property
    def before(self) -> str:
        """The words that the change takes away."""
        return self.change()[0]

    @property
    def after(self) -> str:
        """The words that it puts in their place."""
        return self.change()[1]

    def words(self, own: str = "") -> str:
        """The change as the end of a sentence that begins with "as if"; `own` is the code that is spoken of."""
        left_out = self.before if not self.after else _left_out(self.before, self.after)
        if left_out and "".join(left_out.split()) not in "".join(own.split()):
            return f"`{_clip(left_out)}` were left out"
        if self.after == "pass":
            return f"the step that sets `{_clip(self.before.split('=')[0].strip())}` were missing"
        before, after = _differing(self.before, self.after)
        return f"`{after}` stood in place of `{before}`"


def _clip(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:59]}…"


def _differing(before: str, after: str) -> tuple[str, str]:
    """Two texts cut to what can be read in a line, from shortly before they differ."""
    before, after = " ".join(before.split()), " ".join(after.split())
    start = next((i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), 0)
    cut = max(start - 20, 0) if max(len(before), len(after)) > 60 else 0
    return tuple(_clip(f"{'…' if cut else ''}{text[cut:]}") for text in (before, after))  # type: ignore[return-value]


def _left_out(before: str, after: str) -> str:
    """What an edit took away, where it took one piece away: `.clamp(min=1)` of `x.sum().clamp(min=1)`."""
    if before.startswith(after):
        return before[len(after) :].strip()
    if before.endswith(f"{after})"):
        return before[: -len(after) - 1].strip("( ")
    return ""


class _Tree:
    """A parsed function in which one node at a time gives way to another, and comes back."""

    def __init__(self, source: str, texts: bool = False):
        self.module, self.texts = ast.parse(source), texts
        self.nodes = list(ast.walk(self.module))
        self.places: dict[int, tuple[Any, str, int | None]] = {}
        for parent in self.nodes:
            for field, value in ast.iter_fields(parent):
                if isinstance(value, ast.AST):
                    self.places[id(value)] = parent, field, None
                elif isinstance(value, list):
                    self.places |= {id(v): (parent, field, i) for i, v in enumerate(value) if isinstance(v, ast.AST)}

    def edit(self, node: ast.AST, new: ast.AST, graft: bool = False, around: bool = False) -> Edit:
        """The function with `new` in place of `node`."""
        self._put(node, ast.fix_missing_locations(new))
        code = _compiled(self.module)
        text = ast.unparse(self.module) if self.texts and code else ""
        self._put(node, node)
        return Edit(getattr(node, "lineno", 0), lambda: self._before_and_after(node, new), code, graft, around, text)

    def _before_and_after(self, node: ast.AST, new: ast.AST) -> tuple[str, str]:
        before = ast.unparse(self._told(node, node))
        self._put(node, new)
        after = ast.unparse(self._told(node, new))
        self._put(node, node)
        return before, after

    def _told(self, node: ast.AST, stands: ast.AST) -> ast.AST:
        """What to show of a change: a number or a name is told with what stands around it."""
        parent = self.places[id(node)][0]
        if isinstance(parent, ast.UnaryOp):  # the 1 of [-1]
            node, parent, stands = parent, self.places[id(parent)][0], parent
        around = isinstance(parent, ast.keyword | ast.BinOp | ast.Compare | ast.Subscript | ast.Call)
        return parent if isinstance(node, ast.Constant | ast.Name | ast.UnaryOp) and around else stands

    def _put(self, place_of: ast.AST, node: ast.AST) -> None:
        parent, field, index = self.places[id(place_of)]
        if index is None:
            setattr(parent, field, node)
        else:
            getattr(parent, field)[index] = node


def _compiled(module: ast.Module) -> CodeType | None:
    try:
        return compile(module, "<a change>", "exec")
    except (SyntaxError, TypeError, ValueError):
        return None


def edits(source: str, solutions: Sequence[str] = (), texts: bool = False) -> Iterator[Edit]:
    """Every change of a function's source, the small ones first.

    Args:
        source: the text of one `def`, not indented.
        solutions: where the code is a learner's, the solutions: pieces that are missing may be added, and parts
            of a solution put in.
        texts: whether each edit carries the whole text, to be changed again.
    """
    if any(word in source for word in UNTOUCHED):
        return
    tree = _Tree(source, texts)
    nodes = tree.nodes
    function = _function(tree.module)
    if function is None:
        return
    names = _names(function)
    constants = {value: None for text in solutions for value in _constants_of(text)}
    conditions = list({ast.unparse(n): n for n in nodes if isinstance(n, ast.Compare)}.values())
    for node in nodes:
        if node is function or isinstance(node, ast.arguments | ast.arg):
            continue
        for new in _replacements(node, names, bool(solutions)):
            yield tree.edit(node, new)
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            yield from (tree.edit(node, ast.Constant(v)) for v in constants if v != node.value)
        if isinstance(node, ast.AugAssign | ast.Expr) and solutions:
            yield from (tree.edit(node, ast.If(test, [node], [])) for test in conditions)
        yield from _without_statements(tree, node)
    yield from _everywhere(tree)
    yield from _left_out_everywhere(tree)
    yield from _grafts(tree, function, solutions)


def _function(tree: ast.Module) -> ast.FunctionDef | None:
    return next((n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)), None)


def _names(function: ast.FunctionDef) -> list[str]:
    """The parameters of a function, then the names that it gives values to."""
    stored = [n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    return list(dict.fromkeys([*(a.arg for a in function.args.args), *stored]))


def _constants_of(source: str) -> list[int | float]:
    values = [n.value for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Constant)]
    return [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]


def _both(before: str, after: str) -> Callable[[], tuple[str, str]]:
    return lambda: (before, after)


def _everywhere(tree: _Tree) -> Iterator[Edit]:
    """A method swapped wherever it stands: the length of both vectors, not of one."""
    for name, others in EVERYWHERE.items():
        places = [n for n in tree.nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr == name]  # fmt: skip
        if len(places) < 2:
            continue
        for other in others:
            changed = copy.deepcopy(tree.module)
            for node in ast.walk(changed):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name:
                    new = ast.parse(f"({ast.unparse(node.func.value)}).{other}", mode="eval").body
                    assert isinstance(new, ast.Call)
                    node.func, node.args, node.keywords = new.func, new.args, new.keywords
            ast.fix_missing_locations(changed)
            yield Edit(places[0].lineno, _both(f".{name}(…)", f".{other}"), _compiled(changed))


def _left_out_everywhere(tree: _Tree) -> Iterator[Edit]:
    """A method left out wherever it stands: `split`, of the query and of the passage."""
    calls = [n for n in tree.nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and not _is_module(n.func.value)]  # fmt: skip
    names = Counter(n.func.attr for n in calls if isinstance(n.func, ast.Attribute))
    for name in (name for name, count in names.items() if count > 1):
        changed = ast.fix_missing_locations(_Without(name).visit(copy.deepcopy(tree.module)))
        yield Edit(calls[0].lineno, _both(f".{name}(…)", ""), _compiled(changed))


class _Without(ast.NodeTransformer):
    def __init__(self, name: str):
        self.name = name

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        return node.func.value if isinstance(node.func, ast.Attribute) and node.func.attr == self.name else node


def _is_module(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in ("torch", "np", "math", "F")


def _grafts(tree: _Tree, function: ast.FunctionDef, solutions: Sequence[str]) -> Iterator[Edit]:  # fmt: skip
    """A part of the learner's code gives way to a part of a solution; never the whole of a result."""
    whole = len(list(ast.walk(function)))
    parts = [
        (len(list(ast.walk(n))), n)
        for n in tree.nodes
        if isinstance(n, ast.BinOp | ast.Call | ast.Subscript | ast.Attribute | ast.Compare | ast.IfExp | ast.BoolOp | ast.UnaryOp | ast.ListComp | ast.GeneratorExp)
        and isinstance(getattr(n, "ctx", ast.Load()), ast.Load)
    ]  # fmt: skip
    donated = {ast.unparse(part): part for text in solutions for part in _donated(text, function)}
    holds = {text: {ast.unparse(n) for n in ast.walk(part)} for text, part in donated.items()}
    in_order = sorted(parts, key=lambda part: (part[1].lineno, part[0]))
    for around in (False, True):  # what is put around a right part tells least
        for node in (n for size, n in in_order if size <= 0.45 * whole):
            own = ast.unparse(node)
            for text, part in donated.items():
                if text != own and (own in holds[text]) == around:
                    yield tree.edit(node, part, graft=True, around=around)


def _donated(source: str, learner: ast.FunctionDef) -> list[ast.expr]:
    """The expressions of a solution in the learner's parameters, each local name written out."""
    function = _function(ast.parse(source))
    if function is None or len(function.args.args) != len(learner.args.args):
        return []
    values: dict[str, ast.expr] = {
        theirs.arg: ast.Name(mine.arg, ast.Load())
        for theirs, mine in zip(function.args.args, learner.args.args, strict=True)
    }
    found: list[ast.expr] = []
    for statement in function.body:
        if not isinstance(statement, ast.Assign | ast.Return) or statement.value is None:
            continue
        inlined = _Inline(values).visit(copy.deepcopy(statement.value))
        found += [n for n in ast.walk(inlined) if isinstance(n, ast.BinOp | ast.Call | ast.Compare | ast.Subscript)]
        target = statement.targets[0] if isinstance(statement, ast.Assign) else None
        if isinstance(target, ast.Name):
            values[target.id] = inlined
    return found


class _Inline(ast.NodeTransformer):
    def __init__(self, values: dict[str, ast.expr]):
        self.values = values

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return copy.deepcopy(self.values[node.id]) if node.id in self.values else node


def _without_statements(tree: _Tree, node: ast.AST) -> Iterator[Edit]:
    removable = ast.Assign | ast.AugAssign | ast.Expr | ast.If | ast.Continue | ast.Break
    if isinstance(node, removable) and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
        yield tree.edit(node, ast.Pass())


def _replacements(node: ast.AST, parameters: list[str], learner: bool) -> Iterator[ast.AST]:
    """Other nodes that a node could be."""
    if isinstance(node, ast.Constant):
        yield from (ast.Constant(value) for value in _constants(node.value))
    elif isinstance(node, ast.BinOp):
        yield from _binary(node)
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(OPERATORS[type(node.op)][0](), node.values)
        yield from node.values
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        for kind in OPERATORS.get(type(node.ops[0]), ()):
            yield ast.Compare(node.left, [kind()], node.comparators)
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.IfExp):
        yield node.body
        yield node.orelse
        yield ast.IfExp(node.test, node.orelse, node.body)
    elif isinstance(node, ast.Call):
        yield from _calls(node, learner)
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
        yield node.value
    elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        yield from _subscripts(node)
    elif isinstance(node, ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp):
        if any(g.ifs for g in node.generators):
            bare = [ast.comprehension(g.target, g.iter, [], 0) for g in node.generators]
            if isinstance(node, ast.DictComp):
                yield ast.DictComp(node.key, node.value, bare)
            else:
                yield type(node)(node.elt, bare)
        if isinstance(node, ast.ListComp):
            yield ast.SetComp(node.elt, node.generators)
        if isinstance(node, ast.SetComp):
            yield ast.ListComp(node.elt, node.generators)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in parameters:
        yield from (ast.Name(other, ast.Load()) for other in parameters if other != node.id)
        if learner:
            yield from _wrapped(node, parameters)
    elif isinstance(node, ast.Return) and node.value is not None and learner:
        for wrapped in _results(node.value):
            yield ast.Return(wrapped)
    elif isinstance(node, ast.Return) and node.value is not None:
        yield ast.Return(ast.UnaryOp(ast.USub(), node.value))
    elif isinstance(node, ast.If) and learner:
        yield ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)


def _constants(value: Any) -> Iterator[Any]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from dict.fromkeys(n for n in (value + 1, value - 1, -value, 0, 1, 2) if n != value)
    elif isinstance(value, float):
        yield from dict.fromkeys(
            n for n in (value + 1, value - 1, -value, 0.0, 1.0, value / 2, value * 2, -1e30) if n != value
        )
    elif isinstance(value, str) and value and len(value) < 4:
        yield ""


def _binary(node: ast.BinOp) -> Iterator[ast.AST]:
    for kind in OPERATORS.get(type(node.op), ()):
        yield ast.BinOp(node.left, kind(), node.right)
    yield from _other_brackets(node)
    yield node.left
    yield node.right
    if isinstance(node.op, ast.Div):
        yield ast.BinOp(ast.Constant(1), node.op, node.right)
    if isinstance(node.op, ast.Div) and isinstance(node.left, ast.BinOp) and isinstance(node.left.op, ast.Add) and ast.unparse(node.right) == "2":  # fmt: skip
        a, b = ast.unparse(node.left.left), ast.unparse(node.left.right)
        for text in (f"torch.maximum({a}, {b})", f"torch.minimum({a}, {b})", f"({a} * {b}) ** 0.5", a, b):
            yield ast.parse(text, mode="eval").body
    if not isinstance(node.op, ast.Add | ast.Mult | ast.BitAnd | ast.BitOr):
        yield ast.BinOp(node.right, node.op, node.left)


def _other_brackets(node: ast.BinOp) -> Iterator[ast.AST]:
    """(a / b) * c as a / (b * c) and back; f(a) + 1 as f(a + 1)."""
    if isinstance(node.left, ast.BinOp):
        yield ast.BinOp(node.left.left, node.left.op, ast.BinOp(node.left.right, node.op, node.right))
    if isinstance(node.right, ast.BinOp):
        yield ast.BinOp(ast.BinOp(node.left, node.op, node.right.left), node.right.op, node.right.right)
    for inner, build in ((node.left, lambda x: ast.BinOp(x, node.op, node.right)), (node.right, lambda x: ast.BinOp(node.left, node.op, x))):  # fmt: skip
        if isinstance(inner, ast.Call) and len(inner.args) == 1:
            yield ast.Call(inner.func, [build(inner.args[0])], inner.keywords)
        elif isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute) and not inner.args:
            method = ast.Attribute(build(inner.func.value), inner.func.attr, ast.Load())
            yield ast.Call(method, [], inner.keywords)


def _other_order(node: ast.Call) -> Iterator[ast.AST]:
    """f(g(x)) as g(f(x)), x.f().g() as x.g().f(); f(a @ b) as f(a) @ f(b), f(a + 1) as f(a) + 1."""
    inner = node.func.value if isinstance(node.func, ast.Attribute) else None
    method = inner.func if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute) else None
    if isinstance(node.func, ast.Attribute) and isinstance(inner, ast.Call) and method and not _is_module(method.value):
        first = ast.Call(ast.Attribute(method.value, node.func.attr, ast.Load()), node.args, node.keywords)
        yield ast.Call(ast.Attribute(first, method.attr, ast.Load()), inner.args, inner.keywords)
    if len(node.args) != 1:
        return
    argument = node.args[0]
    if isinstance(argument, ast.Call) and len(argument.args) == 1:
        yield ast.Call(argument.func, [ast.Call(node.func, argument.args, node.keywords)], argument.keywords)
    if isinstance(argument, ast.BinOp):
        left, right = (ast.Call(node.func, [side], node.keywords) for side in (argument.left, argument.right))
        yield ast.BinOp(left, argument.op, argument.right)
        yield ast.BinOp(argument.left, argument.op, right)
        yield ast.BinOp(left, argument.op, right)


def _calls(node: ast.Call, learner: bool) -> Iterator[ast.AST]:
    attribute = node.func if isinstance(node.func, ast.Attribute) else None
    name = attribute.attr if attribute else node.func.id if isinstance(node.func, ast.Name) else ""
    module = attribute is not None and _is_module(attribute.value)
    yield from _other_order(node)
    if attribute and not module:
        yield attribute.value
    if (not attribute or module) and len(node.args) >= 1 and not isinstance(node.args[0], ast.Starred):
        yield node.args[0]
    for other in SWAPS.get(name, ()):
        func = ast.Attribute(attribute.value, other, ast.Load()) if attribute else ast.Name(other, ast.Load())
        yield ast.Call(func, node.args, node.keywords)
    for i in range(len(node.keywords)):
        yield ast.Call(node.func, node.args, node.keywords[:i] + node.keywords[i + 1 :])
    if len(node.args) >= 2:
        yield ast.Call(node.func, [node.args[1], node.args[0], *node.args[2:]], node.keywords)
        yield ast.Call(node.func, node.args[:-1], node.keywords)
    if name == "range" and len(node.args) == 1:
        yield ast.Call(node.func, [ast.BinOp(node.args[0], ast.Add(), ast.Constant(1))], [])
        yield ast.Call(node.func, [ast.BinOp(node.args[0], ast.Sub(), ast.Constant(1))], [])
        yield ast.Call(node.func, [ast.Constant(1), node.args[0]], [])
    if name == "enumerate" and len(node.args) == 1 and not node.keywords:
        yield ast.Call(node.func, [*node.args, ast.Constant(1)], [])
    keywords = {k.arg for k in node.keywords}
    if learner and name in ("sum", "mean", "norm", "max", "amax", "softmax", "argmax", "cumsum", "log_softmax", "logsumexp"):  # fmt: skip
        if "keepdim" not in keywords and name not in ("softmax", "log_softmax", "cumsum", "argmax"):
            yield ast.Call(node.func, node.args, [*node.keywords, ast.keyword("keepdim", ast.Constant(True))])
        if attribute and not module and not node.args and "dim" not in keywords:
            for dim in (0, 1, -1):
                yield ast.Call(node.func, [], [*node.keywords, ast.keyword("dim", ast.Constant(dim))])
            yield ast.Call(node.func, [], [ast.keyword("dim", ast.Constant(-1)), ast.keyword("keepdim", ast.Constant(True))])  # fmt: skip
    if name == "split" and node.args:
        yield ast.Call(node.func, [], [])


def _subscripts(node: ast.Subscript) -> Iterator[ast.AST]:
    yield node.value
    part = node.slice
    if isinstance(part, ast.Slice):
        for side in ("lower", "upper"):
            bound = getattr(part, side)
            if bound is None:
                continue
            for other in (None, ast.BinOp(bound, ast.Add(), ast.Constant(1)), ast.BinOp(bound, ast.Sub(), ast.Constant(1))):  # fmt: skip
                bounds: dict[str, Any] = {"lower": part.lower, "upper": part.upper, "step": part.step, side: other}
                yield ast.Subscript(node.value, ast.Slice(**bounds), node.ctx)
    elif not isinstance(part, ast.Constant | ast.Tuple):
        yield ast.Subscript(node.value, ast.BinOp(part, ast.Sub(), ast.Constant(1)), node.ctx)


def _wrapped(node: ast.Name, parameters: list[str]) -> Iterator[ast.AST]:
    """A parameter with the piece around it that people forget."""
    for method in ("lower", "float", "long", "bool"):
        yield ast.Call(ast.Attribute(node, method, ast.Load()), [], [])
    yield from (ast.parse(text.format(node.id), mode="eval").body for text in (
        "~{0}", "{0}.bool().logical_not()", "torch.nn.functional.normalize({0}, dim=-1)", "{0}[:, :, None]", "{0}.T",
        "set({0})", "{0} + 1", "{0} - 1", "{0} ** 0.5", "{0}.lower().split()",
    ))  # fmt: skip
    if "k" in parameters and node.id != "k":
        yield ast.parse(f"{node.id}[:k]", mode="eval").body


def _results(value: ast.expr) -> Iterator[ast.expr]:
    """A result with the last step that people forget."""
    text = ast.unparse(value)
    for pattern in (
        "-({0})", "({0}).mean()", "({0}).sum()", "({0}) / 2", "({0}) * 2", "({0}).T", "int({0})", "float({0})",
        "len({0})", "({0}).log()", "({0}).exp()", "({0}).transpose(1, 2)", "1 - ({0})", "1 / ({0})", "({0}).sqrt()",
        "tuple({0})", "({0}).nan_to_num(0.0)", "({0})[0]", "({0}).squeeze()", "({0}).squeeze(1)", "({0}) + 1",
        "({0}) - 1", "({0}).bool()", "~({0})", "({0}).clamp(min=0)", "({0}).softmax(dim=-1)",
    ):  # fmt: skip
        yield ast.parse(pattern.format(text), mode="eval").body
