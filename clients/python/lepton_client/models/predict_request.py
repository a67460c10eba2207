from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.row import Row


T = TypeVar("T", bound="PredictRequest")


@_attrs_define
class PredictRequest:
    """Rows: columns by name (a file in base64, a series as lists), or a lone column's cells.

    Attributes:
        instances (list[bool | float | None | Row | str]):
    """

    instances: list[bool | float | None | Row | str]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.row import Row  # noqa: PLC0415

        instances = []
        for instances_item_data in self.instances:
            instances_item: bool | dict[str, Any] | float | None | str
            if isinstance(instances_item_data, Row):
                instances_item = instances_item_data.to_dict()
            else:
                instances_item = instances_item_data
            instances.append(instances_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "instances": instances,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.row import Row  # noqa: PLC0415

        d = dict(src_dict)
        instances = []
        _instances = d.pop("instances")
        for instances_item_data in _instances:

            def _parse_instances_item(data: object) -> bool | float | None | Row | str:
                if data is None:
                    return data
                try:
                    if not isinstance(data, dict):
                        raise TypeError()
                    instances_item_type_0 = Row.from_dict(data)

                    return instances_item_type_0
                except (TypeError, ValueError, AttributeError, KeyError):
                    pass
                return cast(bool | float | None | Row | str, data)

            instances_item = _parse_instances_item(instances_item_data)

            instances.append(instances_item)

        predict_request = cls(
            instances=instances,
        )

        predict_request.additional_properties = d
        return predict_request

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
