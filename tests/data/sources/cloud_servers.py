"""Clouds on this machine, as far as an import reads them. Each holds files and knows a key."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
import httpx2
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from moto import settings
from moto.server import ThreadedMotoServer

from tests.data.sources.web_server import Server, send, serving

Files = dict[str, bytes]
READ_ALL = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
}


@dataclass(frozen=True)
class S3:
    """An S3 server; once it is `strict` it knows only its one key, and checks every signature."""

    url: str
    key: str
    secret: str

    def put(self, bucket: str, files: Files, **said: str) -> str:
        """Make a bucket of files; its address."""
        client = _client("s3", self.url)
        client.create_bucket(Bucket=bucket)
        for name, content in files.items():
            client.put_object(Bucket=bucket, Key=name, Body=content, **said)
        return f"s3://{bucket}"

    @contextmanager
    def strict(self) -> Iterator[None]:
        open_to_all = settings.INITIAL_NO_AUTH_ACTION_COUNT
        settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
        try:
            yield
        finally:
            settings.INITIAL_NO_AUTH_ACTION_COUNT = open_to_all


def _client(service: str, url: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="setup",
        aws_secret_access_key="setup",
    )


@contextmanager
def amazon() -> Iterator[S3]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        # What it holds is held by its module, whichever server of the process is asked.
        httpx2.post(f"{url}/moto-api/reset")
        people = _client("iam", url)
        people.create_user(UserName="me")
        people.put_user_policy(UserName="me", PolicyName="all", PolicyDocument=json.dumps(READ_ALL))
        made = people.create_access_key(UserName="me")["AccessKey"]
        yield S3(url, made["AccessKeyId"], made["SecretAccessKey"])
    finally:
        server.stop()


@contextmanager
def _answering(answer: Callable[[BaseHTTPRequestHandler, str, dict[str, str]], None]) -> Any:
    with serving() as server:
        server.otherwise = lambda request: answer(
            request,
            unquote(urlsplit(request.path).path),
            {name: values[0] for name, values in parse_qs(urlsplit(request.path).query).items()},
        )
        yield server


def _say(request: BaseHTTPRequestHandler, said: object, status: int = 200) -> None:
    send(request, json.dumps(said).encode(), status, {"Content_Type": "application/json"})


def _send_part(request: BaseHTTPRequestHandler, content: bytes, **headers: str) -> None:
    """The bytes of a file that were asked for."""
    asked = request.headers.get("x-ms-range") or request.headers.get("Range")
    if asked is None or request.command == "HEAD":
        send(request, content, 200, headers)
        return
    first, last = re.fullmatch(r"bytes=(\d+)-(\d+)", asked).groups()
    part = content[int(first) : int(last) + 1]
    place = f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}"
    send(request, part, 206, {**headers, "Content_Range": place})


def _mark(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


@contextmanager
def google(bucket: str, files: Files) -> Iterator[tuple[Server, dict[str, str]]]:
    """Google Cloud Storage, and the key file of the account that may read the bucket."""

    def item(name: str) -> dict[str, str]:
        facts = {"kind": "storage#object", "bucket": bucket, "generation": "1"}
        when = {"timeCreated": "2026-01-01T00:00:00Z", "updated": "2026-01-01T00:00:00Z"}
        mark = {"etag": _mark(files[name])}
        return {**facts, **when, **mark, "name": name, "size": str(len(files[name]))}

    def answer(request: BaseHTTPRequestHandler, path: str, asked: dict[str, str]) -> None:
        objects = f"/storage/v1/b/{bucket}/o"
        name = path.rpartition(f"{objects}/")[2]
        if path == "/token":
            head = parse_qs(request.body.decode())["assertion"][0].partition(".")[0]
            key = json.loads(base64.urlsafe_b64decode(head + "=="))["kid"]
            _say(request, {"access_token": f"t0ken-{key}", "expires_in": 3600})
        elif request.headers.get("Authorization") != "Bearer t0ken-known":
            _say(request, {"error": {"code": 403, "message": "no access to it"}}, 403)
        elif path == objects:
            found = [item(name) for name in files if name.startswith(asked.get("prefix", ""))]
            _say(request, {"items": found})
        elif name not in files:
            _say(request, {"error": {"code": 404, "message": "No such object"}}, 404)
        elif asked.get("alt") == "media":
            _send_part(request, files[name])
        else:
            _say(request, item(name))

    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with _answering(answer) as server:
        yield (
            server,
            {
                "type": "service_account",
                "private_key_id": "known",
                "private_key": pem,
                "client_email": "me@here.example",
                "token_uri": f"{server.url}/token",
            },
        )


@contextmanager
def azure(account: str, container: str, files: Files) -> Iterator[Server]:
    """Azure Blob Storage, where an account may read one container."""

    def blob(name: str) -> str:
        return (
            f"<Blob><Name>{name}</Name><Properties><Content-Length>{len(files[name])}"
            f"</Content-Length><Etag>{_mark(files[name])}</Etag>"
            "<BlobType>BlockBlob</BlobType></Properties></Blob>"
        )

    def answer(request: BaseHTTPRequestHandler, path: str, asked: dict[str, str]) -> None:
        above = f"/{account}/{container}"
        name = path.removeprefix(f"{above}/")
        if not (request.headers.get("Authorization") or "").startswith(f"SharedKey {account}:"):
            send(request, b"", 403, {"x_ms_error_code": "AuthenticationFailed"})
        elif asked.get("comp") == "list":
            found = [blob(name) for name in files if name.startswith(asked.get("prefix", ""))]
            inside = f"<Blobs>{''.join(found)}</Blobs>"
            listed = (
                f'<EnumerationResults ContainerName="{container}">{inside}</EnumerationResults>'
            )
            send(request, listed.encode(), 200, {"Content_Type": "application/xml"})
        elif name in files:
            facts = {"x_ms_blob_type": "BlockBlob", "ETag": '"1"'}
            _send_part(request, files[name], **facts, Last_Modified="Mon, 12 Oct 2026 00:00:00 GMT")
        else:
            send(request, b"", 404, {"x_ms_error_code": "BlobNotFound"})

    with _answering(answer) as server:
        yield server


@contextmanager
def hugging_face(dataset: str, token: str, files: Files) -> Iterator[Server]:
    """A hub, with one private data set of files."""
    tree = f"/api/datasets/{dataset}/tree/main"

    def listed(folder: str, below: bool) -> list[dict[str, Any]]:
        """What lies in a folder, and where asked for in all below it."""
        inside = [name for name in files if name.startswith(f"{folder}/" if folder else "")]
        deep = len(folder) + 1 if folder else 0
        folders = sorted({name[: name.index("/", deep)] for name in inside if "/" in name[deep:]})
        shown = inside if below else [name for name in inside if "/" not in name[deep:]]
        return [
            *({"type": "directory", "oid": "1", "size": 0, "path": each} for each in folders),
            *(
                {"type": "file", "oid": _mark(files[n]), "size": len(files[n]), "path": n}
                for n in shown
            ),
        ]

    def answer(request: BaseHTTPRequestHandler, path: str, asked: dict[str, str]) -> None:
        name = path.removeprefix(f"/datasets/{dataset}/resolve/main/")
        if request.headers.get("Authorization") != f"Bearer {token}":
            send(request, b"{}", 401, {"X_Error_Code": "RepoNotFound"})
        elif path == f"/api/datasets/{dataset}":
            _say(request, {"id": dataset, "sha": "1", "siblings": [], "private": True, "tags": []})
        elif path.startswith(tree):
            _say(request, listed(path.removeprefix(tree).strip("/"), asked["recursive"] == "true"))
        elif name in files:
            _send_part(request, files[name], ETag='"1"', X_Repo_Commit="1")
        else:
            send(request, b"{}", 404, {"X_Error_Code": "EntryNotFound"})

    with _answering(answer) as server:
        yield server
