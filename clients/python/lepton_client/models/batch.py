from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="Batch")


@_attrs_define
class Batch:
    """A batch job: queued, running, finished or failed; `done` of its `rows` are answered.

    Attributes:
        object_ (str):
        id (str):
        model (str):
        version (int | None):
        rows (int):
        created (float):
        status (str):
        done (int):
        failed (int):
        error (str):
    """

    object_: str
    id: str
    model: str
    version: int | None
    rows: int
    created: float
    status: str
    done: int
    failed: int
    error: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        object_ = self.object_

        id = self.id

        model = self.model

        version: int | None
        version = self.version

        rows = self.rows

        created = self.created

        status = self.status

        done = self.done

        failed = self.failed

        error = self.error

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "object": object_,
                "id": id,
                "model": model,
                "version": version,
                "rows": rows,
                "created": created,
                "status": status,
                "done": done,
                "failed": failed,
                "error": error,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        object_ = d.pop("object")

        id = d.pop("id")

        model = d.pop("model")

        def _parse_version(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        version = _parse_version(d.pop("version"))

        rows = d.pop("rows")

        created = d.pop("created")

        status = d.pop("status")

        done = d.pop("done")

        failed = d.pop("failed")

        error = d.pop("error")

        batch = cls(
            object_=object_,
            id=id,
            model=model,
            version=version,
            rows=rows,
            created=created,
            status=status,
            done=done,
            failed=failed,
            error=error,
        )

        batch.additional_properties = d
        return batch

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
