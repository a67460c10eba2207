from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.files import Files
from ...models.predict_request import PredictRequest
from ...models.predict_response import PredictResponse
from ...models.problem import Problem
from ...types import UNSET, File, Response, Unset


def _get_kwargs(
    model: str,
    *,
    body: PredictRequest | Files | File,
    x_request_timeout: float | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(x_request_timeout, Unset):
        headers["X-Request-Timeout"] = str(x_request_timeout)

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v1/models/{model}:predict".format(
            model=quote(str(model), safe=""),
        ),
    }

    if isinstance(body, PredictRequest):
        _kwargs["json"] = body.to_dict()

        headers["Content-Type"] = "application/json"
    if isinstance(body, Files):
        _kwargs["files"] = body.to_multipart()

        headers["Content-Type"] = "multipart/form-data; boundary=+++"
    if isinstance(body, File):
        _kwargs["content"] = body.payload.read()
        headers["Content-Type"] = "application/vnd.apache.arrow.stream"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> PredictResponse | Problem | None:
    if response.status_code == 200:
        response_200 = PredictResponse.from_dict(response.json())

        return response_200

    if response.status_code == 400:
        response_400 = Problem.from_dict(response.json())

        return response_400

    if response.status_code == 401:
        response_401 = Problem.from_dict(response.json())

        return response_401

    if response.status_code == 403:
        response_403 = Problem.from_dict(response.json())

        return response_403

    if response.status_code == 404:
        response_404 = Problem.from_dict(response.json())

        return response_404

    if response.status_code == 405:
        response_405 = Problem.from_dict(response.json())

        return response_405

    if response.status_code == 408:
        response_408 = Problem.from_dict(response.json())

        return response_408

    if response.status_code == 409:
        response_409 = Problem.from_dict(response.json())

        return response_409

    if response.status_code == 413:
        response_413 = Problem.from_dict(response.json())

        return response_413

    if response.status_code == 415:
        response_415 = Problem.from_dict(response.json())

        return response_415

    if response.status_code == 421:
        response_421 = Problem.from_dict(response.json())

        return response_421

    if response.status_code == 422:
        response_422 = Problem.from_dict(response.json())

        return response_422

    if response.status_code == 429:
        response_429 = Problem.from_dict(response.json())

        return response_429

    if response.status_code == 431:
        response_431 = Problem.from_dict(response.json())

        return response_431

    if response.status_code == 500:
        response_500 = Problem.from_dict(response.json())

        return response_500

    if response.status_code == 503:
        response_503 = Problem.from_dict(response.json())

        return response_503

    if response.status_code == 504:
        response_504 = Problem.from_dict(response.json())

        return response_504

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[PredictResponse | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    model: str,
    *,
    client: AuthenticatedClient | Client,
    body: PredictRequest | Files | File,
    x_request_timeout: float | Unset = UNSET,
) -> Response[PredictResponse | Problem]:
    """Ask a model.

    Args:
        model (str):
        x_request_timeout (float | Unset):
        body (PredictRequest): Rows: columns by name (a file in base64, a series as lists), or a
            lone column's cells.
        body (Files):
        body (File): An Arrow IPC stream with the columns.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[PredictResponse | Problem]
    """

    kwargs = _get_kwargs(
        model=model,
        body=body,
        x_request_timeout=x_request_timeout,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    model: str,
    *,
    client: AuthenticatedClient | Client,
    body: PredictRequest | Files | File,
    x_request_timeout: float | Unset = UNSET,
) -> PredictResponse | Problem | None:
    """Ask a model.

    Args:
        model (str):
        x_request_timeout (float | Unset):
        body (PredictRequest): Rows: columns by name (a file in base64, a series as lists), or a
            lone column's cells.
        body (Files):
        body (File): An Arrow IPC stream with the columns.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        PredictResponse | Problem
    """

    return sync_detailed(
        model=model,
        client=client,
        body=body,
        x_request_timeout=x_request_timeout,
    ).parsed


async def asyncio_detailed(
    model: str,
    *,
    client: AuthenticatedClient | Client,
    body: PredictRequest | Files | File,
    x_request_timeout: float | Unset = UNSET,
) -> Response[PredictResponse | Problem]:
    """Ask a model.

    Args:
        model (str):
        x_request_timeout (float | Unset):
        body (PredictRequest): Rows: columns by name (a file in base64, a series as lists), or a
            lone column's cells.
        body (Files):
        body (File): An Arrow IPC stream with the columns.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[PredictResponse | Problem]
    """

    kwargs = _get_kwargs(
        model=model,
        body=body,
        x_request_timeout=x_request_timeout,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    model: str,
    *,
    client: AuthenticatedClient | Client,
    body: PredictRequest | Files | File,
    x_request_timeout: float | Unset = UNSET,
) -> PredictResponse | Problem | None:
    """Ask a model.

    Args:
        model (str):
        x_request_timeout (float | Unset):
        body (PredictRequest): Rows: columns by name (a file in base64, a series as lists), or a
            lone column's cells.
        body (Files):
        body (File): An Arrow IPC stream with the columns.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        PredictResponse | Problem
    """

    return (
        await asyncio_detailed(
            model=model,
            client=client,
            body=body,
            x_request_timeout=x_request_timeout,
        )
    ).parsed
