"""The codes of bad items. Each is an :class:`~shared.errors.ItemError`; the table is the one in docs/gamedata.md."""

from __future__ import annotations

from typing import Any, Final

from shared.errors import ItemError

__all__ = ["CODES", "CRASH_CODES", "item_error"]

CODES: Final[dict[str, str]] = {
    "tar_empty": "the object has no bytes, or no members",
    "tar_truncated": "a member reaches beyond the end of the object",
    "tar_invalid": "a header block is not a TAR header (bad checksum, gzip, something else)",
    "tar_unsafe": "a header that no honest writer makes (sparse member, negative size, oversized extension)",
    "tar_changed": "the object changed while it was read",
    "tar_missing": "the task list names a TAR that is not in the bucket",
    "video_missing": "no member is a video",
    "video_multiple": "more than one member is a video",
    "metadata_missing": "there is no metadata.json",
    "metadata_invalid": "metadata.json is not one sane JSON object",
    "inputs_invalid": "inputs.csv is there and cannot be read",
    "member_duplicate": "two members have the same name",
    "moov_missing": "an MP4 without its index (moov): the recording was cut off",
    "video_truncated": "the index names bytes beyond the end of the video",
    "video_invalid": "neither the MP4 reader nor FFmpeg can open the video",
    "video_no_stream": "the container has no video stream",
    "video_no_frames": "the video stream has no frame that can be decoded",
    "video_codec_unsupported": "FFmpeg has no decoder for the video stream",
    "pixels_exceeded": "a frame is larger than the pixel limit",
    "decode_failed": "the decoder reports an error on a frame that is needed",
    "decode_timeout": "decoding took longer than the time limit",
    "decode_memory": "decoding needed more than the memory limit",
    "decode_crashed": "the decoder process died",
    "pt_legacy": "a pickled .pt file of the original pipeline; never unpickled",
    "pt_invalid": "the .pt file cannot be read, or its checksum is wrong",
    "pt_unrecorded": "the .pt file is not the one that its part records",
    "check_failed": "a quality check raised",
}

# Worth a second attempt: the machine may be at fault. After two identical failures the item is quarantined.
CRASH_CODES: Final[frozenset[str]] = frozenset({"decode_timeout", "decode_memory", "decode_crashed", "tar_changed"})


def item_error(code: str, message: str, **data: Any) -> ItemError:
    """Make the typed error of a bad item.

    Args:
        code: one of :data:`CODES`.
        message: what was found and what is valid; the caller's log line names the item.
        data: named facts.

    Raises:
        KeyError: for a code that :data:`CODES` does not have.
    """
    if code not in CODES:
        raise KeyError(code)
    return ItemError(message, code=code, retryable=code in CRASH_CODES, **data)
