from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.label_answer_scores import LabelAnswerScores


T = TypeVar("T", bound="LabelAnswer")


@_attrs_define
class LabelAnswer:
    """
    Attributes:
        label (str):
        score (float):
        scores (LabelAnswerScores):
    """

    label: str
    score: float
    scores: LabelAnswerScores
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        label = self.label

        score = self.score

        scores = self.scores.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "label": label,
                "score": score,
                "scores": scores,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.label_answer_scores import LabelAnswerScores  # noqa: PLC0415

        d = dict(src_dict)
        label = d.pop("label")

        score = d.pop("score")

        scores = LabelAnswerScores.from_dict(d.pop("scores"))

        label_answer = cls(
            label=label,
            score=score,
            scores=scores,
        )

        label_answer.additional_properties = d
        return label_answer

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
