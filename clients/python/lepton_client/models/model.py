from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.model_takes import ModelTakes


T = TypeVar("T", bound="Model")


@_attrs_define
class Model:
    """A model that is served: `takes` says what each column holds.

    Attributes:
        id (str):
        object_ (str):
        created (int):
        owned_by (str):
        task (str):
        version (int | None):
        versions (list[int]):
        takes (ModelTakes):
        gives (str):
        labels (list[str]):
        accepts (list[str]):
    """

    id: str
    object_: str
    created: int
    owned_by: str
    task: str
    version: int | None
    versions: list[int]
    takes: ModelTakes
    gives: str
    labels: list[str]
    accepts: list[str]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = self.id

        object_ = self.object_

        created = self.created

        owned_by = self.owned_by

        task = self.task

        version: int | None
        version = self.version

        versions = self.versions

        takes = self.takes.to_dict()

        gives = self.gives

        labels = self.labels

        accepts = self.accepts

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "object": object_,
                "created": created,
                "owned_by": owned_by,
                "task": task,
                "version": version,
                "versions": versions,
                "takes": takes,
                "gives": gives,
                "labels": labels,
                "accepts": accepts,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.model_takes import ModelTakes  # noqa: PLC0415

        d = dict(src_dict)
        id = d.pop("id")

        object_ = d.pop("object")

        created = d.pop("created")

        owned_by = d.pop("owned_by")

        task = d.pop("task")

        def _parse_version(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        version = _parse_version(d.pop("version"))

        versions = cast(list[int], d.pop("versions"))

        takes = ModelTakes.from_dict(d.pop("takes"))

        gives = d.pop("gives")

        labels = cast(list[str], d.pop("labels"))

        accepts = cast(list[str], d.pop("accepts"))

        model = cls(
            id=id,
            object_=object_,
            created=created,
            owned_by=owned_by,
            task=task,
            version=version,
            versions=versions,
            takes=takes,
            gives=gives,
            labels=labels,
            accepts=accepts,
        )

        model.additional_properties = d
        return model

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
