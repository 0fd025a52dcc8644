from __future__ import annotations

import pytest

from tests.docs.blocks import BlockError, commands, find_blocks, matches, sql_parts

PAGE = """\
# Page

```json
{}
```

<!-- not run: needs a cluster -->
```console
$ kubectl get pods
```

- In a list:

  ```console
  $ echo one \\
      two   # exits with 3
  one two

  $ true
  ```

```sql duckdb
SELECT 1, 2;
-- -> 1 | 2
```
"""


def test_blocks_of_a_page():
    marked, listed, query = find_blocks("page.md", PAGE)
    assert (marked.line, marked.reason) == (9, "needs a cluster")
    assert [(each.line, each.text, each.output, each.code) for each in commands(listed)] == [
        (15, "echo one two   # exits with 3", "one two", 3),
        (19, "true", None, 0),
    ]
    assert query.words == ("duckdb",)
    assert sql_parts(query) == ("SELECT 1, 2;", "1 | 2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```bash\nls\n```", "p.md:1: a ```bash block is neither run nor known as text; use ```console"),
        ("```rust\n```", "p.md:1: .* expected one of console, python, sql"),
        ("```console\nls\n```", "p.md:2: the console block has no command; expected `\\$ `"),
        ("```python\nx = 1\nif\n```", "p.md:3: not Python"),
        ("```sql\n\n```", "p.md:2: the sql block is empty"),
        ("```sql\nSELECT 1", "p.md:1: the block is not closed; expected ```"),
        ("<!-- not run -->\n```console\n$ ls\n```", "p.md:1: no reason; expected <!-- not run: REASON -->"),
        ("<!-- not run: slow -->\n\n```console\n$ ls\n```", "p.md:1: `not run` is not above a block"),
        ("<!-- not run: slow -->\n```json\n{}\n```", "p.md:2: a json block is never run; remove the mark"),
    ],
)
def test_what_cannot_be_run_is_named(text, message):
    with pytest.raises(BlockError, match=message):
        find_blocks("p.md", text)


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        ("a\nb", "a \nb\n", True),
        ("a\n...\nb", "a\nb", True),
        ("a\n...\nb", "a\n1\n2\nb", True),
        ("took ... s", "took 1.5 s", True),
        ("took ... s", "took 1.5 s\nand more", False),
        ("a", "a\nb", False),
        ("a\n...", "a\nb", True),
        ("...\nb", "a\nb", True),
    ],
)
def test_dots_stand_for_any_text(expected, actual, same):
    assert matches(expected, actual) is same
