"""A file is read by its content: what it is, its encoding and its delimiter."""

from __future__ import annotations

import gzip
import io
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.viewership.errors import NeedsChoice, Refused
from jobs.viewership.phases.reading import interpret, read_upload
from jobs.viewership.settings.formats import InterpretationSettings, ReadingSettings
from jobs.viewership.uploads.reading import ReadLimits, encoding, read
from shared.errors import UsageError

TABLE = "Title;Hours\nLa señora Muñoz \u2013 parte 1;12,5\nL\u2019été à Québec;3,25\n"


def rows(data: bytes, **options):
    return read(data, **options).cells.rows()


def refused(data: bytes, **options) -> Refused:
    with pytest.raises(Refused) as error:
        read(data, **options)
    return error.value


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (TABLE.encode(), "utf-8"),
        (TABLE.encode("utf-8-sig"), "utf-8"),
        (TABLE.encode("utf-16"), "utf-16-le"),
        (b"\xfe\xff" + TABLE.encode("utf-16-be"), "utf-16-be"),
        (TABLE.encode("utf-16-le"), "utf-16-le"),
        (TABLE.encode("utf-16-be"), "utf-16-be"),
        (TABLE.encode("utf-32"), "utf-32-le"),
        (b"\x00\x00\xfe\xff" + TABLE.encode("utf-32-be"), "utf-32-be"),
        (TABLE.encode("cp1252"), "cp1252"),
    ],
)
def test_every_encoding_gives_the_same_text(data, name):
    sheet = read(data)
    assert sheet.encoding == name
    assert sheet.cells.rows() == [
        ("Title", "Hours"), ("La señora Muñoz \u2013 parte 1", "12,5"), ("L\u2019été à Québec", "3,25"),
    ]  # fmt: skip
    assert [note.code for note in sheet.notes] == (["ENCODING"] if name == "cp1252" else [])


def test_cp1252_is_noted_with_a_sample_and_its_line():
    (note,) = read(TABLE.encode("cp1252")).notes
    assert note.line == 2
    assert "check line 2: 'La señora Muñoz \u2013 parte 1;12,5'" in note.message


def test_utf16_of_chinese_titles_without_a_mark_is_known_by_its_delimiters():
    text = "".join(f"暴风雨之夜第{number}集\t{number},5\t2025-07-01\r\n" for number in range(50))
    sheet = read(text.encode("utf-16-le"))
    assert (sheet.encoding, sheet.delimiter, sheet.cells.shape) == ("utf-16-le", "\t", (50, 3))


def test_a_stray_nul_in_utf8_is_no_utf16():
    sheet = read(b"Title,Hours\nA\0,1\nB,2\n")
    assert sheet.encoding == "utf-8"
    assert sheet.cells.rows()[1] == ("A\0", "1")


def test_cut_utf16_is_refused():
    error = refused(TABLE.encode("utf-16")[:-1])
    assert error.code == "FORMAT"
    assert "not valid UTF-16-LE" in error.message


def test_utf8_with_a_bad_byte_is_undecided_and_not_guessed():
    data = ("Title,Hours\n" + "Señora Muñoz,1\n" * 5).encode() + b"Caf\xe9,2\n"
    with pytest.raises(
        NeedsChoice, match=r"10 letters are valid UTF-8 and 1 bytes are not, the first in line 7"
    ) as error:
        read(data)
    assert "--encoding" in error.value.message
    assert error.value.code == "NEEDS_CHOICE"
    sheet = read(data, encoding="utf-8")
    assert sheet.cells.rows()[6] == ("Caf\ufffd", "2")
    assert [(note.code, note.line) for note in sheet.notes] == [("ENCODING", 7)]


@settings(deadline=None)
@given(text=st.text("aéñ\u2019\u20ac ,\n", min_size=1, max_size=80), piece=st.integers(1, 9))
def test_letters_are_counted_the_same_wherever_the_pieces_are_cut(text, piece):
    before = encoding._PIECE
    encoding._PIECE = piece
    try:
        counted = encoding._runs(text.encode())
    finally:
        encoding._PIECE = before
    assert sum(len(encoding._MULTIBYTE.findall(run)) * count for run, count in counted.items()) <= len(text)
    assert sum(len(run) * count for run, count in counted.items()) == sum(byte > 127 for byte in text.encode())
    assert encoding._runs(text.encode()).total() == len(encoding.re.findall(rb"[\x80-\xff]+", text.encode()))


def test_a_letter_of_cp1252_that_looks_like_utf8_changes_nothing():
    data = "Title,Hours\nCAFÉ\u2019S,1\nSeñora Muñoz,2\n".encode("cp1252")
    assert rows(data)[1:] == [("CAFÉ\u2019S", "1"), ("Señora Muñoz", "2")]


def test_bytes_that_cp1252_lacks_are_undecided():
    with pytest.raises(NeedsChoice, match="byte 0x8D in line 4") as error:
        read("Title,Hours\nA,1\n時,2\n".encode("cp932") + b"\x8d,3\n")
    assert "cp932" in error.value.message


def test_a_named_encoding_decides_and_a_mark_overrides_it():
    assert rows("Title,Hours\n\u0434\u0435\u043d\u044c,1\n".encode("cp1251"), encoding="cp1251")[1] == (
        "\u0434\u0435\u043d\u044c",
        "1",
    )
    assert rows(TABLE.encode("utf-8-sig"), encoding="cp1252")[1][0] == "La señora Muñoz \u2013 parte 1"
    with pytest.raises(NeedsChoice, match="'klingon' is not an encoding") as error:
        read(b"a,b\n", encoding="klingon")
    assert error.value.answers == [["--encoding", None]]


@settings(max_examples=300, deadline=None)
@given(
    text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=200),
    name=st.sampled_from(["utf-8-sig", "utf-16", "utf-32"]),
    piece=st.integers(1, 9),
)
def test_text_with_a_mark_survives_any_cut_of_the_pieces(text, name, piece):
    before = encoding._PIECE
    encoding._PIECE = piece * 4
    try:
        decoded = encoding.decode(text.encode(name))
    finally:
        encoding._PIECE = before
    assert decoded.text.decode().removeprefix("\ufeff") == text.removeprefix("\ufeff")


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=60), piece=st.integers(1, 9))
def test_the_first_bad_byte_is_found_wherever_the_pieces_are_cut(data, piece):
    before = encoding._PIECE
    encoding._PIECE = piece
    try:
        data.decode()
        expected = None
    except UnicodeDecodeError as error:
        expected = error.start
    try:
        encoding._check_utf8(data)
        found = None
    except UnicodeDecodeError as error:
        found = error.start
    finally:
        encoding._PIECE = before
    assert found == expected


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_all_records_agree_on(delimiter):
    text = f"Series{delimiter}Title{delimiter}Hours\n" + f'X{delimiter}"a,b;c|d\te"{delimiter}1\n' * 3
    sheet = read(text.encode())
    assert (sheet.delimiter, sheet.cells.shape) == (delimiter, (4, 3))


@pytest.mark.parametrize(
    ("text", "delimiter", "columns"),
    [
        ("Titel;Stunden\nA;1,5\nB;2,5\nC;3,5\n", ";", 2),
        ("Title\tHours\nA, B\t1,204.5\nC, D\t2,1\n", "\t", 2),
        ("Title,Hours\nShow | Part 1,3\nShow | Part 2,4\n", ",", 2),
        ("Report X\nPeriod: July, 2025\n\nTitle;Hours\nA;1\nB;2\nC;3\n", ";", 2),
        ("Date;Titel;Stunden\n" + "1.7.2025;A;1,5\n" * 9 + "Summe;13,5\n", ";", 3),
        ("Title | Episode,Series,Hours\nA | B,C,1\nD | E,F,2\n", ",", 3),
        ("Title\nThe Storm\nThe Calm\n", ",", 1),
    ],
)
def test_delimiters_inside_cells_do_not_decide(text, delimiter, columns):
    sheet = read(text.encode())
    assert (sheet.delimiter, sheet.cells.width) == (delimiter, columns)


def test_two_delimiters_that_fit_equally_need_a_choice():
    data = b"Show | Episode,Hours\nA | B,3\n"
    with pytest.raises(NeedsChoice, match=r"comma \(2 columns\) and pipe \(2 columns\)") as error:
        read(data)
    assert sorted(error.value.answers) == [["--delimiter", ","], ["--delimiter", "|"]]
    with pytest.raises(NeedsChoice) as error:
        read(data.replace(b"|", b"\t"))
    assert sorted(error.value.answers) == [["--delimiter", ","], ["--delimiter", "tab"]]
    assert rows(data, delimiter="|")[1] == ("A ", " B,3")
    with pytest.raises(NeedsChoice, match="not a delimiter"):
        read(data, delimiter="ab")


def test_a_quoted_cell_longer_than_the_sample_does_not_hide_the_delimiter():
    data = (
        b'"' + b"x\n" * 16_000 + b' ",Hours;x\n' + b"A,1\n" * 20 + b'"' + b"y;" * 16_000 + b'",2\n' + b"B,2\n" * 30_000
    )
    assert read(data).delimiter == ","


def test_the_end_of_a_dos_file_is_not_a_record():
    assert rows(b"Title,Hours\r\nA,1\r\n\x1a") == [("Title", "Hours"), ("A", "1")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_sep_line_names_the_delimiter_and_is_not_a_record(end):
    sheet = read(f"\ufeffsep=;{end}Title;Hours{end}A;1{end}".encode(), delimiter=",")
    assert sheet.cells.rows() == [("Title", "Hours"), ("A", "1")]
    assert (sheet.delimiter, sheet.lines.to_list()) == (";", [2, 3])


@pytest.mark.parametrize(
    "data", [b"", b"\n\r\n  ", b"\xef\xbb\xbf\r\n", b",,,\n,,,\n", b'"",""\n" ",\xc2\xa0\n', b"sep=;\n"]
)
def test_a_file_without_any_value_is_empty(data):
    assert refused(data).code == "EMPTY"


def zipped(**members: bytes) -> bytes:
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w") as archive:
            for name, body in members.items():
                archive.writestr(name.replace("__", "/").replace("_", "."), body)
        return file.getvalue()


@pytest.mark.parametrize(
    ("data", "name", "advice"),
    [
        (b"<html><table><tr><td>Title</td></tr></table></html>", "an HTML page", "save it as CSV or .xlsx"),
        (b"\xef\xbb\xbf\r\n<!DOCTYPE html>\n<p>502 Bad Gateway</p>", "an HTML page", "save it"),
        ("<html><body>é".encode("utf-16"), "an HTML page", "save it"),
        (b'<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?><Workbook/>', "Excel 2003", "save it"),
        (b'<?xml version="1.0"?>\n<rows><row/></rows>', "XML", "export the report"),
        (b'{"rows": [1, 2]}', "JSON", "export the report"),
        (b'[{"title": "A", "hours": 1}]', "JSON", "export the report"),
        (b"[1, 2]", "JSON", "export the report"),
        (b'{"title": "A"}\n{"title": "B"}\n', "JSON", "export the report"),
        (b"%PDF-1.7\n", "a PDF document", "export the report"),
        (b"PAR1" + bytes(40), "a Parquet file", "as CSV"),
        (gzip.compress(b"Title,Hours\nA,1\n", mtime=0), "a gzip file", "unpack it"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "a PNG image", "export the report"),
        (b"\xff\xd8\xff\xe0" + bytes(40), "a JPEG image", "export the report"),
        (b"PK\x05\x06" + bytes(18), "an empty ZIP archive", "export the report"),
        (bytes(range(256)) * 40, "binary data", "export the report"),
    ],
)
def test_what_is_no_table_is_refused_with_what_it_is_and_what_to_do(data, name, advice):
    error = refused(data)
    assert error.code == "FORMAT"
    assert f"the file is {name}" in error.message or name in error.message
    assert advice in error.message


@pytest.mark.parametrize(
    "first", ["<3 Love", "[Adult Swim] Show", "{Untitled}", "[1] Pilot", "PK Subban", "a < b > c", "<Unknown>Title"]
)
def test_a_title_that_begins_like_another_format_is_a_title(first):
    assert rows(f"{first},1\nTitle,2\n".encode())[0] == (first, "1")


def test_a_file_over_the_limit_of_bytes_is_refused(tmp_path):
    path = tmp_path / "big.csv"
    path.write_bytes(b"a,b\n" * 10)
    for source in (path, path.read_bytes()):
        with pytest.raises(Refused, match="the file has 40 bytes; expected at most 39") as error:
            read(source, limits=ReadLimits(bytes=39))
        assert error.value.code == "LIMIT"


def test_no_secret_is_read_as_an_upload(tmp_path, monkeypatch):
    secret = tmp_path / "secret.csv"
    secret.write_text("Title,Hours\nA,1\n")
    link = tmp_path / "link.csv"
    link.symlink_to("/proc/self/environ")
    assert len(read(secret).cells)
    monkeypatch.setenv("PGPASSFILE", str(secret))
    for path in (secret, link, "/proc/self/environ"):
        with pytest.raises(UsageError, match="is in a folder of secrets or processes"):
            read(path)


def test_no_half_of_a_secret_is_shown_around_a_byte(monkeypatch):
    secret = "".join(map(str, range(60)))
    text = f"Title,Hours\nÉ {secret},1\n".encode("cp1252")
    assert secret[:20] in read(text).notes[0].message
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    assert read(text).notes[0].message.startswith("the file is not UTF-8 and was read as cp1252; check line 2: ***; ")


@pytest.mark.parametrize(("name", "delimiter"), [("semicolon", ";"), ("tab", "\t"), ("\\t", "\t"), ("pipe", "|")])
def test_a_delimiter_may_be_named(tmp_path, name, delimiter):
    file = tmp_path / "a.csv"
    file.write_text(f"Series,Title{delimiter}Hours\nA,B{delimiter}1\n")
    assert read_upload(file, ReadingSettings(delimiter=name)).cells.width == 2


def test_a_word_that_names_no_delimiter_is_answered_with_those_that_do(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("Series;Hours\nA;1\n")
    with pytest.raises(NeedsChoice, match=r"'semi' is not a delimiter; .*, or comma, semicolon, tab, pipe; pass"):
        read_upload(file, ReadingSettings(delimiter="semi"))


def test_a_wrong_delimiter_is_named_and_not_the_formats(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("Series\tTitle\tHours\nA\tB\t1\n")
    with pytest.raises(NeedsChoice, match=r"split at ';', the file has one column; .*; pass another --delimiter"):
        interpret(file, InterpretationSettings(delimiter=";"))
    assert interpret(file, InterpretationSettings(delimiter="tab")).sheet.cells.width == 3


@pytest.mark.parametrize("header", ["ref_id,series,season,episode,title", "platform,deal_parent,internal_channel"])
def test_a_catalogue_file_is_not_a_report(tmp_path, header):
    file = tmp_path / "a.csv"
    file.write_text(f"{header}\n{','.join('abcde'[: header.count(',') + 1])}\n")
    with pytest.raises(Refused, match=r"has the columns of the catalogue; .*; run `telecine viewership catalog import"):
        interpret(file, InterpretationSettings())
