"""Error codes of bad items and of commands, with their meanings; docs/gamedata.md lists them in tables."""

from __future__ import annotations

from typing import Any, Final

from shared.errors import ItemError

__all__ = ["CODES", "COMMAND_CODES", "CRASH_CODES", "NOTHING_EXTRACTED", "SPRITE_CODES", "item_error"]

NOTHING_EXTRACTED: Final = "nothing_extracted"

CODES: Final[dict[str, str]] = {
    "tar_empty": "empty object, or a TAR without members",
    "tar_truncated": "a member extends past the end of the object",
    "tar_invalid": "invalid header block: bad checksum, gzip, or not a TAR",
    "tar_unsafe": "malformed header (sparse member, negative size, oversized extension)",
    "tar_changed": "the object changed while it was being read",
    "tar_missing": "the task list names a TAR that is not in the bucket",
    "tar_refused": "the store refuses this TAR but returns others (archived, or encrypted with a disabled key)",
    "key_invalid": "not a key (`..`, an empty part, too long, not below the source), or another TAR has its .pt file",
    "video_missing": "no member is a video",
    "video_multiple": "more than one member is a video",
    "metadata_missing": "no metadata.json",
    "metadata_invalid": "metadata.json is not a valid JSON object, or exceeds a limit (size, depth, digits)",
    "inputs_invalid": "inputs.csv exists but cannot be read",
    "member_duplicate": "two members have the same name",
    "moov_missing": "MP4 without an index (moov): the recording was cut off",
    "video_truncated": "the index refers to bytes past the end of the video",
    "video_invalid": "neither the MP4 reader nor FFmpeg can open the video",
    "video_no_stream": "the container has no video stream",
    "video_no_frames": "no frame of the video stream can be decoded",
    "video_codec_unsupported": "FFmpeg has no decoder for the video stream",
    "pixels_exceeded": "a frame exceeds the pixel limit",
    "decode_failed": "the decoder reported an error on a required frame",
    "decode_timeout": "decoding exceeded the time limit",
    "decode_memory": "decoding exceeded the memory limit",
    "decode_crashed": "the decoder process died",
    "pt_legacy": "pickled .pt file of the original pipeline; never unpickled",
    "pt_invalid": "the .pt file cannot be read or its checksum is wrong",
    "pt_unrecorded": "the .pt file differs from the one recorded in its part",
    "check_failed": "a quality check raised an exception",
}

# Reasons for a missing sprite; the session itself is published.
SPRITE_CODES: Final[dict[str, str]] = {
    "sprite_no_frames": "no frame was sampled",
    "sprite_pt_invalid": "the `.pt` file cannot be read or does not contain the frames of its part",
    "sprite_needs_decoder": "the `.pt` file stores packets (`--frames packets`); `publish` decodes them only if "
    "`telecine[gamedata]` is installed",
    "sprite_failed": "the sprite cannot be drawn or stored",
}

# Codes of errors that end a command, besides those of shared/errors.py.
COMMAND_CODES: Final[dict[str, str]] = {
    NOTHING_EXTRACTED: "the manifest bucket has no sessions, so there is no manifest",
    "manifest_invalid": "`publish`: the file is not a manifest of this version",
    "manifest_prefix": "`publish`: the manifest has sessions outside `--prefix`",
}

# Codes that are retried, because the machine may be at fault. After two identical failures the item is quarantined.
CRASH_CODES: Final[frozenset[str]] = frozenset({"decode_timeout", "decode_memory", "decode_crashed", "tar_changed"})


def item_error(code: str, message: str, **data: Any) -> ItemError:
    """Create the typed error of a bad item.

    Args:
        code: one of :data:`CODES`.
        message: the problem and the expected value, without the item: the caller's log line names it.
        data: named values that are stored with the error.

    Raises:
        KeyError: the code is not in :data:`CODES`.
    """
    if code not in CODES:
        raise KeyError(code)
    return ItemError(message, code=code, retryable=code in CRASH_CODES, **data)
