from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.open_ai_error import OpenAIError
    from ..models.row_problem import RowProblem


T = TypeVar("T", bound="Problem")


@_attrs_define
class Problem:
    """Why there is no answer (RFC 9457). Under /v2, `error` is the sentence in `detail`.

    Attributes:
        type_ (str):
        title (str):
        status (int):
        detail (str):
        where (str):
        hint (str):
        request_id (str):
        rows (list[RowProblem]):
        error (OpenAIError | str):
    """

    type_: str
    title: str
    status: int
    detail: str
    where: str
    hint: str
    request_id: str
    rows: list[RowProblem]
    error: OpenAIError | str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.open_ai_error import OpenAIError  # noqa: PLC0415

        type_ = self.type_

        title = self.title

        status = self.status

        detail = self.detail

        where = self.where

        hint = self.hint

        request_id = self.request_id

        rows = []
        for rows_item_data in self.rows:
            rows_item = rows_item_data.to_dict()
            rows.append(rows_item)

        error: dict[str, Any] | str
        if isinstance(self.error, OpenAIError):
            error = self.error.to_dict()
        else:
            error = self.error

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "type": type_,
                "title": title,
                "status": status,
                "detail": detail,
                "where": where,
                "hint": hint,
                "request_id": request_id,
                "rows": rows,
                "error": error,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.open_ai_error import OpenAIError  # noqa: PLC0415
        from ..models.row_problem import RowProblem  # noqa: PLC0415

        d = dict(src_dict)
        type_ = d.pop("type")

        title = d.pop("title")

        status = d.pop("status")

        detail = d.pop("detail")

        where = d.pop("where")

        hint = d.pop("hint")

        request_id = d.pop("request_id")

        rows = []
        _rows = d.pop("rows")
        for rows_item_data in _rows:
            rows_item = RowProblem.from_dict(rows_item_data)

            rows.append(rows_item)

        def _parse_error(data: object) -> OpenAIError | str:
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                error_type_0 = OpenAIError.from_dict(data)

                return error_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(OpenAIError | str, data)

        error = _parse_error(d.pop("error"))

        problem = cls(
            type_=type_,
            title=title,
            status=status,
            detail=detail,
            where=where,
            hint=hint,
            request_id=request_id,
            rows=rows,
            error=error,
        )

        problem.additional_properties = d
        return problem

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
