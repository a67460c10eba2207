from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.likely import Likely


T = TypeVar("T", bound="SaidToken")


@_attrs_define
class SaidToken:
    """A token of an answer, and the likeliest of its place.

    Attributes:
        token (str):
        bytes_ (list[int]):
        logprob (float):
        top_logprobs (list[Likely]):
    """

    token: str
    bytes_: list[int]
    logprob: float
    top_logprobs: list[Likely]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        token = self.token

        bytes_ = self.bytes_

        logprob = self.logprob

        top_logprobs = []
        for top_logprobs_item_data in self.top_logprobs:
            top_logprobs_item = top_logprobs_item_data.to_dict()
            top_logprobs.append(top_logprobs_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "token": token,
                "bytes": bytes_,
                "logprob": logprob,
                "top_logprobs": top_logprobs,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.likely import Likely  # noqa: PLC0415

        d = dict(src_dict)
        token = d.pop("token")

        bytes_ = cast(list[int], d.pop("bytes"))

        logprob = d.pop("logprob")

        top_logprobs = []
        _top_logprobs = d.pop("top_logprobs")
        for top_logprobs_item_data in _top_logprobs:
            top_logprobs_item = Likely.from_dict(top_logprobs_item_data)

            top_logprobs.append(top_logprobs_item)

        said_token = cls(
            token=token,
            bytes_=bytes_,
            logprob=logprob,
            top_logprobs=top_logprobs,
        )

        said_token.additional_properties = d
        return said_token

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
