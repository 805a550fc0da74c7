"""Frames as Parquet: times, values and the meaning of every channel."""

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from industriverse.signals import Channel, ChannelKind, Frame, FrameError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["frame_of", "parquet_of"]

_TIME_COLUMN = b"industriverse.time_column"
_CHANNEL = b"industriverse.channel"


def parquet_of(frame: Frame) -> bytes:
    """A frame as Parquet (zstd); equal frames give equal bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(_table(frame), sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def frame_of(content: bytes) -> Frame:
    """The frame that :func:`parquet_of` wrote.

    Raises:
        ValueError: If the bytes are not such a frame.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return _frame(pq.read_table(pa.BufferReader(content)))
    except (pa.ArrowException, KeyError, TypeError, FrameError) as error:
        raise ValueError(str(error)) from error


def _table(frame: Frame) -> "pa.Table":
    import pyarrow as pa

    time_column = "timestamp"
    while time_column in frame.names:
        time_column += "_"
    fields: list[pa.Field[Any]] = [pa.field(time_column, pa.timestamp("ns", tz="UTC"), nullable=False)]
    for channel in frame.channels:
        meaning = {
            "unit": channel.unit,
            "kind": channel.kind.value,
            "entity": channel.entity,
            "quantity": channel.quantity,
        }
        fields.append(
            pa.field(channel.name, pa.float64(), nullable=False, metadata={_CHANNEL: json.dumps(meaning)})
        )
    columns: list[pa.Array[Any]] = [
        pa.array(frame.timestamps_ns, pa.timestamp("ns", tz="UTC")),
        *(pa.array(np.ascontiguousarray(column), pa.float64()) for column in frame.values.T),
    ]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields, metadata={_TIME_COLUMN: time_column}))


def _frame(table: "pa.Table") -> Frame:
    time_column = (table.schema.metadata or {})[_TIME_COLUMN].decode()
    channels = []
    for field in table.schema:
        if field.name != time_column:
            meaning = json.loads((field.metadata or {})[_CHANNEL])
            channels.append(
                Channel(
                    field.name,
                    meaning["unit"],
                    ChannelKind(meaning["kind"]),
                    meaning["entity"],
                    meaning["quantity"],
                )
            )
    values = np.empty((table.num_rows, len(channels)))
    for index, channel in enumerate(channels):
        values[:, index] = table.column(channel.name).to_numpy()
    timestamps = table.column(time_column).to_numpy().astype("datetime64[ns]").astype(np.int64)
    return Frame(timestamps, values, tuple(channels))
