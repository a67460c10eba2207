from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.named_schema_schema import NamedSchemaSchema


T = TypeVar("T", bound="NamedSchema")


@_attrs_define
class NamedSchema:
    """
    Attributes:
        name (str):
        schema (NamedSchemaSchema):
        description (str | Unset):
        strict (bool | None | Unset):
    """

    name: str
    schema: NamedSchemaSchema
    description: str | Unset = UNSET
    strict: bool | None | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        name = self.name

        schema = self.schema.to_dict()

        description = self.description

        strict: bool | None | Unset
        if isinstance(self.strict, Unset):
            strict = UNSET
        else:
            strict = self.strict

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "name": name,
                "schema": schema,
            }
        )
        if description is not UNSET:
            field_dict["description"] = description
        if strict is not UNSET:
            field_dict["strict"] = strict

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.named_schema_schema import NamedSchemaSchema  # noqa: PLC0415

        d = dict(src_dict)
        name = d.pop("name")

        schema = NamedSchemaSchema.from_dict(d.pop("schema"))

        description = d.pop("description", UNSET)

        def _parse_strict(data: object) -> bool | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(bool | None | Unset, data)

        strict = _parse_strict(d.pop("strict", UNSET))

        named_schema = cls(
            name=name,
            schema=schema,
            description=description,
            strict=strict,
        )

        return named_schema
