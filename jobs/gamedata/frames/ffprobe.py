"""Describe an open container as ``ffprobe -show_format -show_streams -of json`` does.

Names, types and number formats are ffprobe's (fftools/ffprobe.c, show_stream and show_format): times as decimal strings
with six places, rates as fractions, sizes as strings. Values that PyAV does not expose are left out, never guessed:
``refs``, ``chroma_location``, ``closed_captions``, ``film_grain``, ``probe_score`` and the ``vendor_id`` tag.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from av.stream import Disposition

if TYPE_CHECKING:
    from av.container import InputContainer

__all__ = ["probe"]

# libavutil/pixdesc.c: color_range_names, color_space_names, color_transfer_names, color_primaries_names. Reserved and
# unspecified values are omitted.
_RANGES: Final = {1: "tv", 2: "pc"}
_SPACES: Final = {
    0: "gbr", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco", 9: "bt2020nc",
    10: "bt2020c", 11: "smpte2085", 12: "chroma-derived-nc", 13: "chroma-derived-c", 14: "ictcp",
}  # fmt: skip
_TRANSFERS: Final = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "linear", 9: "log100", 10: "log316",
    11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084",
    17: "smpte428", 18: "arib-std-b67",
}  # fmt: skip
_PRIMARIES: Final = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020", 10: "smpte428",
    11: "smpte431", 12: "smpte432", 22: "ebu3213",
}  # fmt: skip
_FIELD_ORDERS: Final = {1: "progressive", 2: "tt", 3: "bb", 4: "tb", 5: "bt"}
# Codec names from libavcodec/codec_desc.c, for codecs whose decoder, which PyAV reports, has another name.
_LONG_NAMES: Final = {
    "av1": "Alliance for Open Media AV1",
    "hevc": "H.265 / HEVC (High Efficiency Video Coding)",
    "mjpeg": "Motion JPEG",
    "mov_text": "MOV text",
    "opus": "Opus (Opus Interactive Audio Codec)",
}
_SHOW_IDS: Final = 0x0008  # AVFMT_SHOW_IDS: stream ids are meaningful in this container
# In ffprobe's order. `non_diegetic` and `multilayer` are newer than FFmpeg 5.
_DISPOSITIONS: Final = (
    "default", "dub", "original", "comment", "lyrics", "karaoke", "forced", "hearing_impaired", "visual_impaired",
    "clean_effects", "attached_pic", "timed_thumbnails", "non_diegetic", "captions", "descriptions", "metadata",
    "dependent", "still_image", "multilayer",
)  # fmt: skip


def probe(container: InputContainer, *, filename: str, size: int, rotation: int = 0) -> dict[str, Any]:
    """Describe an open container.

    Args:
        container: an open PyAV container.
        filename: the video's name in the TAR.
        size: size of the video in bytes.
        rotation: degrees clockwise to display the video stream upright.

    Returns:
        ``{"streams": [...], "format": {...}}``, JSON values only.
    """
    streams = [_stream(container, stream) for stream in container.streams]
    best = container.streams.best("video")
    if best is not None and rotation:
        # ffprobe counts counterclockwise, -180 <= r < 180.
        streams[best.index]["side_data_list"] = [
            {"side_data_type": "Display Matrix", "rotation": (180 - rotation) % 360 - 180}
        ]
    described: dict[str, Any] = {
        "filename": filename,
        "nb_streams": len(streams),
        **({} if container.format.name == "mpegts" else {"nb_programs": 0}),
        "format_name": container.format.name,
        "format_long_name": container.format.long_name,
    }
    if container.start_time is not None:
        described["start_time"] = f"{container.start_time / 1e6:.6f}"
    if container.duration is not None:
        described["duration"] = f"{container.duration / 1e6:.6f}"
    described["size"] = str(size)
    if container.bit_rate:
        described["bit_rate"] = str(container.bit_rate)
    if container.metadata:
        described["tags"] = dict(container.metadata)
    return {"streams": streams, "format": described}


def _stream(container: InputContainer, stream: Any) -> dict[str, Any]:
    context = stream.codec_context
    fields: dict[str, Any] = {"index": stream.index}
    if context is not None:
        fields["codec_name"] = context.codec.canonical_name
        fields["codec_long_name"] = _long_name(context.codec)
        if context.profile:
            fields["profile"] = context.profile
    fields["codec_type"] = stream.type
    if context is not None:
        fields |= _tag(_four_bytes(context))
        if stream.type == "video":
            fields |= _video(stream, context)
        elif stream.type == "audio":
            fields |= _audio(context)
    if container.format.flags & _SHOW_IDS:
        fields["id"] = f"{stream.id:#x}"
    fields |= _timing(stream, context)
    extradata = getattr(context, "extradata_size", 0)
    if extradata:
        fields["extradata_size"] = extradata
    disposition = int(stream.disposition)
    fields["disposition"] = {name: int(bool(disposition & Disposition[name])) for name in _DISPOSITIONS}
    if stream.metadata:
        fields["tags"] = dict(stream.metadata)
    return fields


def _long_name(codec: Any) -> str:
    return _LONG_NAMES.get(codec.canonical_name) or str(codec.long_name)


def _four_bytes(context: Any) -> bytes:
    """Return the container's tag of the codec. If it is not ASCII, PyAV 18.1 raises, with the bytes in the error."""
    try:
        return str(context.codec_tag).encode("ascii")
    except UnicodeDecodeError as error:
        return error.object


def _tag(raw: bytes) -> dict[str, str]:
    raw = raw[:4].ljust(4, b"\0")
    # av_fourcc_make_string: letters, digits and " -._" are kept, other bytes become numbers in brackets.
    text = "".join(
        chr(byte) if (chr(byte).isascii() and chr(byte).isalnum()) or chr(byte) in " -._" else f"[{byte}]"
        for byte in raw
    )
    return {"codec_tag_string": text, "codec_tag": f"0x{int.from_bytes(raw, 'little'):04x}"}


def _video(stream: Any, context: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "width": context.width,
        "height": context.height,
        # Before a frame is decoded, the coded size is the frame size.
        "coded_width": context.coded_width or context.width,
        "coded_height": context.coded_height or context.height,
        "has_b_frames": context.reorder_depth,
    }
    if stream.sample_aspect_ratio:
        fields["sample_aspect_ratio"] = _ratio(stream.sample_aspect_ratio, ":")
        shape = Fraction(context.width, context.height) * stream.sample_aspect_ratio if context.height else None
        fields["display_aspect_ratio"] = _ratio(shape, ":")
    if context.pix_fmt:
        fields["pix_fmt"] = context.pix_fmt
    fields["level"] = context.level
    for name, value, names in (
        ("color_range", context.color_range, _RANGES),
        ("color_space", context.colorspace, _SPACES),
        ("color_transfer", context.color_trc, _TRANSFERS),
        ("color_primaries", context.color_primaries, _PRIMARIES),
        ("field_order", context.field_order, _FIELD_ORDERS),
    ):
        if value in names:
            fields[name] = names[value]
    extradata = context.extradata or b""
    if context.codec.canonical_name == "h264":
        # ISO/IEC 14496-15 §5.3.3.1: an avcC record begins with version 1, byte 4 ends in lengthSizeMinusOne.
        is_avc = len(extradata) > 4 and extradata[0] == 1  # noqa: PLR2004  byte 4 is needed
        fields["is_avc"] = "true" if is_avc else "false"
        fields["nal_length_size"] = str((extradata[4] & 3) + 1) if is_avc else "0"
    if context.codec.canonical_name in {"h264", "mjpeg"} and context.format is not None:
        fields["bits_per_raw_sample"] = str(context.format.components[0].bits)
    return fields


def _audio(context: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if context.format is not None:
        fields["sample_fmt"] = context.format.name
    return fields | {
        "sample_rate": str(context.sample_rate),
        "channels": context.channels,
        "channel_layout": context.layout.name,
        # av_get_bits_per_sample: only for PCM.
        "bits_per_sample": int(bits[1]) if (bits := re.match(r"pcm_[suf](\d+)", context.codec.canonical_name)) else 0,
    }


def _timing(stream: Any, context: Any) -> dict[str, Any]:
    base: Fraction | None = stream.time_base
    fields: dict[str, Any] = {
        "r_frame_rate": _ratio(getattr(stream, "base_rate", None), "/"),
        "avg_frame_rate": _ratio(getattr(stream, "average_rate", None), "/"),
        "time_base": _ratio(base, "/"),
    }
    for ticks, name, seconds in (
        (stream.start_time, "start_pts", "start_time"),
        (stream.duration, "duration_ts", "duration"),
    ):
        if ticks is not None and base is not None:
            fields |= {name: ticks, seconds: f"{float(ticks * base):.6f}"}
    if context is not None and getattr(context, "bit_rate", None):
        fields["bit_rate"] = str(context.bit_rate)
    if stream.frames:
        fields["nb_frames"] = str(stream.frames)
    return fields


def _ratio(value: Any, sign: str) -> str:
    return f"{value.numerator}{sign}{value.denominator}" if value else f"0{sign}0"
