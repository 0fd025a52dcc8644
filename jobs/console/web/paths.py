"""Numbers in paths: ``/uploads/{upload_id:number}``."""

from __future__ import annotations

from starlette.convertors import Convertor, register_url_convertor

__all__: list[str] = []


class _Number(Convertor[int]):
    """A number of a row. Starlette's ``int`` takes any number of digits, and Python converts 4,300 at most."""

    regex = "[0-9]{1,19}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("number", _Number())
