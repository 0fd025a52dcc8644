"""The ``.pt`` file and its key: a ``torch.save`` dictionary of tensors and numbers, loaded with ``weights_only=True``.

.. code-block:: text

    format, format_version      "telecine.gamedata", 1
    s3_key, video_member, video_id, video_metadata, session_metadata
    sampled_frames              stride-3_chw … -> uint8 RGB (M, 3, H, W): the distinct frames of the stride
    sampled_index               stride-3_chw … -> int64 (N,): row of each sample in sampled_frames (with packets: its
                                run); 0, 1, 2 … unless --sampling keyframe repeats a frame
    sampled_times_s, asked_times_s, sampled_pts     stride-3_chw … -> float64, float64, int64 (N,)
    time_base                   [numerator, denominator] of sampled_pts in seconds
    packets                     None, or codec, extradata, data, offsets, pts, first, count, time_base; and, unless
                                written before these were stored, parameters, keyframe, side_data
    height, width, rotation     frame size in pixels; clockwise rotation in degrees that makes packets upright
    source_etag, spec, spec_digest, extracted_at, versions
    checksum                    sha256 of everything except extracted_at, spec and versions

Strides that are slices of another stride share its buffer: the 35 samples of the default spec take 30 frames.
"""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from jobs.gamedata.errors import item_error
from jobs.gamedata.model import ExtractedData, PacketRuns, StreamParameters, stride_key
from jobs.gamedata.pt._layout import checksum, lay_out, take, tensor
from jobs.gamedata.pt._packets import Decode, PacketFrames, select_runs
from jobs.gamedata.pt._validation import require_frames, require_packets, require_session
from jobs.gamedata.pt.kind import FORMAT, pt_kind
from shared.errors import ItemError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    import numpy.typing as npt

    from jobs.gamedata.model import SamplingSpec, Session

__all__ = ["FORMAT_VERSION", "dump", "load", "loads", "pt_key", "select_runs", "versions"]

FORMAT_VERSION: Final = 1


def pt_key(s3_key: str) -> str:
    """Return the key of a TAR's ``.pt`` file: ``a/b/v.tar`` -> ``a/b/v.pt``; without ``.tar``, ``.pt`` is appended."""
    return s3_key.removesuffix(".tar") + ".pt"


def versions() -> dict[str, str]:
    """Return the versions of telecine, torch, PyAV and FFmpeg's libavcodec, if installed."""
    from importlib.metadata import PackageNotFoundError, version

    installed = {}
    for name, package in (("telecine", "telecine"), ("torch", "torch"), ("pyav", "av")):
        try:
            installed[name] = version(package)
        except PackageNotFoundError:
            installed[name] = "unknown"
    try:
        import av
    except ImportError:
        return installed
    return {**installed, "libavcodec": ".".join(map(str, av.library_versions["libavcodec"]))}


def dump(session: Session, *, s3_key: str, source_etag: str, spec: SamplingSpec, extracted_at: str) -> memoryview:
    """Serialize a session to the bytes of a ``.pt`` file.

    Args:
        session: the session.
        s3_key: key of the TAR.
        source_etag: ETag of the TAR as read.
        spec: sampling spec.
        extracted_at: ISO 8601 time in UTC.
    """
    import torch

    store = session.frames
    frames, index = lay_out(store)
    keys = {stride_key(stride): samples for stride, samples in store.strides.items()}
    document: dict[str, Any] = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "s3_key": s3_key,
        "video_member": session.video_member,
        "video_id": session.video_id,
        "video_metadata": session.video_metadata,
        "session_metadata": session.session_metadata,
        "sampled_frames": frames,
        "sampled_index": {key: tensor(rows) for key, rows in index.items()},
        "sampled_times_s": {key: tensor(store.time_s[samples.index]) for key, samples in keys.items()},
        "asked_times_s": {key: tensor(samples.asked_s) for key, samples in keys.items()},
        "sampled_pts": {key: tensor(store.pts[samples.index]) for key, samples in keys.items()},
        "time_base": list(store.time_base),
        "packets": None if store.packets is None else _packets_document(store.packets),
        "height": store.height,
        "width": store.width,
        "rotation": store.rotation,
        "source_etag": source_etag,
        "spec": json.dumps(asdict(spec), sort_keys=True),
        "spec_digest": spec.digest,
        "extracted_at": extracted_at,
        "versions": versions(),
    }
    document["checksum"] = checksum(document)
    stream = io.BytesIO()
    torch.save(document, stream)
    return stream.getbuffer()


def load(path: str | os.PathLike[str] | bytes, *, decode: Decode | None = None) -> ExtractedData:
    """Read a ``.pt`` file; :func:`jobs.gamedata.load` is the public function.

    Args:
        path: a path, a ``file://`` or ``s3://`` URI, or the file's bytes.
        decode: see :func:`loads`.

    Raises:
        ItemError: as :func:`loads`.
        ObjectMissing: the file does not exist.
    """
    if isinstance(path, bytes):
        return loads(path, decode=decode)
    from shared.storage import read_uri

    return loads(read_uri(str(path)), name=str(path), decode=decode)


def loads(body: bytes | memoryview, *, name: str = "the .pt file", decode: Decode | None = None) -> ExtractedData:
    """Parse the bytes of a ``.pt`` file; see :func:`load`.

    Args:
        body: the bytes.
        name: the file's name in messages.
        decode: decodes stored packets, which are as hostile as the recording: a decoder process
            (:mod:`jobs.gamedata.session.child`). None decodes in this process.

    Raises:
        ItemError: ``pt_legacy`` for a pickled file of the original pipeline, which is never unpickled; ``pt_invalid``
            for any other file that is damaged or was not written by telecine.
    """
    kind = pt_kind(body)
    if kind == "legacy":
        raise item_error(
            "pt_legacy",
            f"{name} is a pickle of the original pipeline, which may run arbitrary code and is never unpickled; "
            "run `telecine gamedata extract` to write it again from its TAR",
        )
    if kind == "invalid":
        raise item_error(
            "pt_invalid", f"{name} is not a .pt file of telecine; delete it and run `telecine gamedata extract`"
        )
    try:
        return _parse(body, name, decode)
    except (ItemError, MemoryError):
        raise
    except Exception as error:
        # torch raises a dozen types of exceptions for damaged files.
        raise item_error("pt_invalid", f"{name} cannot be read ({type(error).__name__}: {error})") from error


def _parse(body: bytes | memoryview, name: str, decode: Decode | None) -> ExtractedData:
    import pickle

    import torch

    try:
        document: dict[str, Any] = torch.load(io.BytesIO(body), weights_only=True, map_location="cpu")
    except pickle.UnpicklingError as error:
        raise item_error("pt_invalid", f"{name} cannot be read ({error})") from error
    if document["format_version"] != FORMAT_VERSION:
        raise item_error(
            "pt_invalid",
            f"{name} has format version {document['format_version']}; this telecine reads version {FORMAT_VERSION}",
        )
    if checksum(document) != document["checksum"]:
        raise item_error("pt_invalid", f"{name} does not match its checksum: it was modified after it was written")
    index = _arrays(document["sampled_index"])
    frames: Mapping[str, npt.NDArray[np.uint8]]
    if document["packets"] is None:
        distinct = _arrays(document["sampled_frames"])
        require_frames(distinct, index)
        frames = {key: take(distinct[key], rows) for key, rows in index.items()}
    else:
        from jobs.gamedata.frames.decoder import decode_runs

        runs = _packets(document["packets"])
        shape = {name: document[name] for name in ("height", "width", "rotation")}
        require_packets(runs, index, **shape)
        frames = PacketFrames(runs, index, **shape, decode=decode or decode_runs)
    data = ExtractedData(
        s3_key=document["s3_key"],
        video_id=document["video_id"],
        video_metadata=document["video_metadata"],
        session_metadata=document["session_metadata"],
        sampled_frames=frames,
        sampled_times_s=_arrays(document["sampled_times_s"]),
        asked_times_s=_arrays(document["asked_times_s"]),
        source_etag=document["source_etag"],
        spec_digest=document["spec_digest"],
        extracted_at=document["extracted_at"],
        versions=document["versions"],
    )
    require_session(data, index)
    return data


def _packets_document(runs: PacketRuns) -> dict[str, Any]:
    parameters = asdict(runs.parameters)
    return {
        "codec": parameters.pop("codec"),
        "extradata": _bytes_tensor(parameters.pop("extradata")),
        "parameters": parameters,
        "data": _bytes_tensor(runs.data),
        "offsets": tensor(runs.offsets),
        "pts": tensor(runs.pts),
        "first": tensor(runs.first),
        "count": tensor(runs.count),
        "time_base": list(runs.time_base),
        "keyframe": tensor(runs.keyframe),
        "side_data": [[number, kind, _bytes_tensor(body)] for number, kind, body in runs.side_data],
    }


def _bytes_tensor(body: bytes) -> Any:
    return tensor(np.frombuffer(body, np.uint8))


def _packets(document: dict[str, Any]) -> PacketRuns:
    arrays = _arrays({key: document[key] for key in ("extradata", "data", "offsets", "pts", "first", "count")})
    numerator, denominator = document["time_base"]
    # Older files lack these; their frames still decode, except those of codecs that need them.
    parameters = document.get("parameters", {})
    keyframe = document.get("keyframe")
    return PacketRuns(
        parameters=StreamParameters(document["codec"], arrays["extradata"].tobytes(), **parameters),
        data=arrays["data"].tobytes(),
        offsets=arrays["offsets"],
        pts=arrays["pts"],
        first=arrays["first"],
        count=arrays["count"],
        time_base=(numerator, denominator),
        keyframe=np.zeros(len(arrays["pts"]), np.bool_) if keyframe is None else keyframe.numpy(),
        side_data=tuple((number, kind, body.numpy().tobytes()) for number, kind, body in document.get("side_data", ())),
    )


def _arrays(tensors: Mapping[str, Any]) -> dict[str, npt.NDArray[Any]]:
    for key, values in tensors.items():
        # With strides of 0, a 2 kB file could declare a tensor of terabytes.
        if values.numel() * values.element_size() > values.untyped_storage().nbytes():
            raise ValueError(f"{key} has more elements than the file")
    return {key: values.numpy() for key, values in tensors.items()}
