"""Bytes of images in object storage: S3 and what speaks like it, Google's, Azure's."""

import asyncio
import errno
import hashlib
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import from_url

from pixyproxy.core.exceptions import ImageStoreError, MissingFileError, StorageFullError
from pixyproxy.core.models import ContentType
from pixyproxy.data.files.layout import FileName, is_shard_folder, shard_path
from pixyproxy.data.files.store import Digest

CHUNK_BYTES = 1024 * 1024

_PROBE = ".probe"
_TRUST_S = 1.0
"""How long a store that could be written to is taken to be so still."""
_ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT")
_CLIENT = {"connect_timeout": "3s", "timeout": "60s"}
_RETRIES: Any = {"max_retries": 2, "retry_timeout": timedelta(seconds=15)}
"""All that is done here can be done again without harm."""
_FULL = re.compile("StorageFull|QuotaExceeded|InsufficientStorage")


class ObjectStore:
    """Objects below a URL such as `s3://bucket/prefix`; their keys are the paths of `layout`.

    An object is there whole or not at all, so there is nothing that dead processes were writing.
    Credentials come from the environment. obstore's own asynchronous calls may end the interpreter
    with a crash, for a thread of theirs still sets a result: here its calls run in threads.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        over_http = any(os.environ.get(name, "").startswith("http:") for name in _ENDPOINTS)
        options: Any = _CLIENT | ({"allow_http": True} if over_http else {})
        try:
            self._store = from_url(url, client_options=options, retry_config=_RETRIES)
        except (BaseError, ValueError) as error:
            raise ValueError(f"the images' URL {url} will not do: {_first_line(error)}") from None
        self._trusted_until = float("-inf")

    def open(self) -> None:
        """Do nothing: whether the store answers is asked before anything is paid for."""

    def close(self) -> None:
        """Do nothing: connections end with the process."""

    async def check_writable(self) -> None:
        """Raise unless an object can be written. Space is the store's own affair."""
        if time.monotonic() >= self._trusted_until:
            try:
                await self._call(obstore.put, _PROBE, b"probe")
            except MissingFileError:
                reason = FileNotFoundError(errno.ENOENT, "there is no such bucket or container")
                raise ImageStoreError from reason
            self._trusted_until = time.monotonic() + _TRUST_S

    async def write(
        self, guid: str, content_type: ContentType, data: bytes, sidecar: bytes | None = None
    ) -> None:
        """Keep `data` for good, once this has returned. The sidecar is there before the data is."""
        if sidecar is not None:
            await self._call(obstore.put, FileName(guid).path, sidecar)
        await self._call(
            obstore.put,
            FileName(guid, content_type).path,
            data,
            attributes={"Content-Type": content_type.value},
        )

    async def read(self, guid: str, content_type: ContentType) -> memoryview:
        """Return the whole object."""
        data = await self._call(self._read, FileName(guid, content_type).path)
        return memoryview(data)

    async def stream(
        self, guid: str, content_type: ContentType, *, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        """Yield a part of the object, or all of it, in chunks; only one is held at a time."""
        key = FileName(guid, content_type).path
        size = (await self._call(obstore.head, key))["size"]
        end = size if length is None else start + length
        if end > size:
            raise ImageStoreError from OSError(f"{guid} has {size} bytes")
        # A request for each chunk: one for all would be timed while a slow client reads.
        for first in range(start, end, CHUNK_BYTES):
            bounds = {"start": first, "end": min(end, first + CHUNK_BYTES)}
            yield bytes(await self._call(obstore.get_range, key, **bounds))

    def locate(self, guid: str, content_type: ContentType) -> tuple[str, int]:
        """Raise: no web server can send what is in no folder. Settings allow no such thing."""
        raise ImageStoreError

    async def delete(self, guid: str, content_type: ContentType) -> None:
        """Remove the object and its sidecar for good, as far as they are there."""
        for name in (FileName(guid), FileName(guid, content_type)):
            await self._remove(name.path)

    async def digest(self, guid: str, content_type: ContentType) -> Digest | None:
        """Return the object's digest, without holding it whole; None where there is none."""
        found: Digest | None = await self._call(self._digest, FileName(guid, content_type).path)
        return found

    async def read_sidecar(self, guid: str) -> bytes | None:
        """Return the image's sidecar, or None where it has none."""
        try:
            return bytes(await self._call(self._read, FileName(guid).path))
        except MissingFileError:
            return None

    async def drop_sidecar(self, guid: str) -> None:
        """Remove the image's sidecar, if it has one."""
        await self._remove(FileName(guid).path)

    def walk(self, on_error: Callable[[str, OSError], None]) -> Iterator[str]:
        """Yield the shards."""
        for first in self._folders(""):
            try:
                shards = self._folders(f"{first}/")
            except ImageStoreError as error:
                on_error(first, OSError(errno.EIO, error.reason))
            else:
                yield from (first + shard for shard in shards)

    async def list_shard(self, shard: str) -> list[str]:
        """Return the names of what is in a shard; none where there is no such shard."""
        names: list[str] = await self._call(self._list_shard, shard)
        return names

    async def list_leftovers(self) -> list[str]:
        """Return nothing."""
        return []

    async def sweep(self) -> None:
        """Do nothing."""

    async def _call(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        return await asyncio.to_thread(_translate, function, self._store, *args, **options)

    async def _remove(self, key: str) -> None:
        with suppress(MissingFileError):  # some stores mind
            await self._call(obstore.delete, key)

    @staticmethod
    def _read(store: Any, key: str) -> Any:
        return obstore.get(store, key).bytes()

    @staticmethod
    def _digest(store: Any, key: str) -> Digest | None:
        try:
            found = obstore.get(store, key)
        except FileNotFoundError:
            return None
        sha256, size = hashlib.sha256(), 0
        for chunk in found.stream(min_chunk_size=CHUNK_BYTES):
            sha256.update(chunk)
            size += len(chunk)
        return Digest(size, sha256.hexdigest())

    @staticmethod
    def _list_shard(store: Any, shard: str) -> list[str]:
        found = obstore.list_with_delimiter(store, f"{shard_path(shard)}/")
        return sorted(each["path"].rpartition("/")[2] for each in found["objects"])

    def _folders(self, prefix: str) -> list[str]:
        found = _translate(obstore.list_with_delimiter, self._store, prefix or None)
        names = (name.rstrip("/").rpartition("/")[2] for name in found["common_prefixes"])
        return sorted(name for name in names if is_shard_folder(name))


def _translate(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    with _translated():
        return function(*args, **options)


@contextmanager
def _translated() -> Iterator[None]:
    """Raise our own errors. What the store said may hold names of keys: its kind is told alone."""
    try:
        yield
    except FileNotFoundError:
        raise MissingFileError from FileNotFoundError(errno.ENOENT, "no such object")
    except (BaseError, OSError) as error:
        if _FULL.search(str(error)):
            raise StorageFullError from OSError(errno.ENOSPC, "the object store is full")
        kind = type(error).__name__
        raise ImageStoreError from OSError(errno.EIO, f"the object store failed: {kind}")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
