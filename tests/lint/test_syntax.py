"""Whatever the running Python parses is gone through, and what stands behind it is found."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest

from tests.lint.writing import HEAD, places, write

SYNTAX = [
    (
        (3, 10),
        "match c:\n    case {'a': [first, *rest], **more} if first: pass\n    case df.DFApp(x=1) | None as other: pass",
    ),
    ((3, 10), "async with c as a, c as (b, *d):\n    async for e in c: pass\n    else: pass"),
    ((3, 10), "[x async for x in c if (y := x)]\n{**c, 'a': {*c}}\n(z for z in c)\n{k: v for k, v in c}"),
    (
        (3, 10),
        "def f(a, /, b=1, *c, d: int = 2, **e) -> 'int':\n    global G\n    x = lambda *x, y=c: (yield)\n    del a",
    ),
    (
        (3, 10),
        "class A(c, metaclass=type):\n    a: int\n    (c): str = ''\n    @(lambda f: f)\n    def d(self): ...",
    ),
    ((3, 10), "try: pass\nexcept (ValueError, KeyError) as error: raise\nelse: pass\nfinally: pass"),
    ((3, 10), "a = b = c[1:2, ..., ::3] = f'{c!r:>{c}}'\na += 1 if c else not c\nassert c, 'x'\nc.x.y[0].z: int = 3"),
    ((3, 10), "import os.path as p, sys\nfrom . import nothing\nfrom .. import too_far"),
    ((3, 11), "try: pass\nexcept* ValueError as group: pass\nc[*c, 1]"),
    (
        (3, 12),
        "type Alias[T, *Ts, **P] = list[T]\ndef f[T: (int, str)](x: T) -> T: ...\nclass B[T](c): ...\nf'{f\"{c}\"}'",
    ),
    ((3, 13), "type Default[T = int] = list[T]"),
    ((3, 14), "t'{c!r:>10}'\ntry: pass\nexcept ValueError, KeyError: pass"),
]


@pytest.mark.parametrize("code", [code for since, code in SYNTAX if sys.version_info >= since])
def test_any_syntax_is_gone_through(code: str, tmp_path: Path):
    before = f"import time\n{HEAD}@app.orchestration_trigger(context_name='c')\nasync def o(c):\n"
    body = textwrap.indent(code, "    ")
    write(tmp_path, {"function_app.py": f"{before}{body}\n    time.time()\n"})
    assert places(tmp_path) == [f"function_app.py:{len(f'{before}{body}'.splitlines()) + 1}"]
