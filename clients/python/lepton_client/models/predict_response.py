from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.forecast_answer import ForecastAnswer
    from ..models.label_answer import LabelAnswer
    from ..models.labels_answer import LabelsAnswer
    from ..models.objects_answer import ObjectsAnswer
    from ..models.row_error import RowError
    from ..models.text_answer import TextAnswer


T = TypeVar("T", bound="PredictResponse")


@_attrs_define
class PredictResponse:
    """
    Attributes:
        model (str):
        version (int | None):
        predictions (list[float | ForecastAnswer | LabelAnswer | LabelsAnswer | None | ObjectsAnswer | TextAnswer]):
        errors (list[RowError]):
    """

    model: str
    version: int | None
    predictions: list[
        float
        | ForecastAnswer
        | LabelAnswer
        | LabelsAnswer
        | None
        | ObjectsAnswer
        | TextAnswer
    ]
    errors: list[RowError]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.forecast_answer import ForecastAnswer  # noqa: PLC0415
        from ..models.label_answer import LabelAnswer  # noqa: PLC0415
        from ..models.labels_answer import LabelsAnswer  # noqa: PLC0415
        from ..models.objects_answer import ObjectsAnswer  # noqa: PLC0415
        from ..models.text_answer import TextAnswer  # noqa: PLC0415

        model = self.model

        version: int | None
        version = self.version

        predictions = []
        for predictions_item_data in self.predictions:
            predictions_item: dict[str, Any] | float | None
            if isinstance(predictions_item_data, LabelAnswer):
                predictions_item = predictions_item_data.to_dict()
            elif isinstance(predictions_item_data, LabelsAnswer):
                predictions_item = predictions_item_data.to_dict()
            elif isinstance(predictions_item_data, TextAnswer):
                predictions_item = predictions_item_data.to_dict()
            elif isinstance(predictions_item_data, ObjectsAnswer):
                predictions_item = predictions_item_data.to_dict()
            elif isinstance(predictions_item_data, ForecastAnswer):
                predictions_item = predictions_item_data.to_dict()
            else:
                predictions_item = predictions_item_data
            predictions.append(predictions_item)

        errors = []
        for errors_item_data in self.errors:
            errors_item = errors_item_data.to_dict()
            errors.append(errors_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "model": model,
                "version": version,
                "predictions": predictions,
                "errors": errors,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.forecast_answer import ForecastAnswer  # noqa: PLC0415
        from ..models.label_answer import LabelAnswer  # noqa: PLC0415
        from ..models.labels_answer import LabelsAnswer  # noqa: PLC0415
        from ..models.objects_answer import ObjectsAnswer  # noqa: PLC0415
        from ..models.row_error import RowError  # noqa: PLC0415
        from ..models.text_answer import TextAnswer  # noqa: PLC0415

        d = dict(src_dict)
        model = d.pop("model")

        def _parse_version(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        version = _parse_version(d.pop("version"))

        predictions = []
        _predictions = d.pop("predictions")
        for predictions_item_data in _predictions:

            def _parse_predictions_item(
                data: object,
            ) -> (
                float
                | ForecastAnswer
                | LabelAnswer
                | LabelsAnswer
                | None
                | ObjectsAnswer
                | TextAnswer
            ):
                if data is None:
                    return data
                try:
                    if not isinstance(data, dict):
                        raise TypeError()
                    predictions_item_type_0 = LabelAnswer.from_dict(data)

                    return predictions_item_type_0
                except (TypeError, ValueError, AttributeError, KeyError):
                    pass
                try:
                    if not isinstance(data, dict):
                        raise TypeError()
                    predictions_item_type_1 = LabelsAnswer.from_dict(data)

                    return predictions_item_type_1
                except (TypeError, ValueError, AttributeError, KeyError):
                    pass
                try:
                    if not isinstance(data, dict):
                        raise TypeError()
                    predictions_item_type_2 = TextAnswer.from_dict(data)

                    return predictions_item_type_2
                except (TypeError, ValueError, AttributeError, KeyError):
                    pass
                try:
                    if not isinstance(data, dict):
                        raise TypeError()
                    predictions_item_type_3 = ObjectsAnswer.from_dict(data)

                    return predictions_item_type_3
                except (TypeError, ValueError, AttributeError, KeyError):
                    pass
                try:
                    if not isinstance(data, dict):
                        raise TypeError()
                    predictions_item_type_4 = ForecastAnswer.from_dict(data)

                    return predictions_item_type_4
                except (TypeError, ValueError, AttributeError, KeyError):
                    pass
                return cast(
                    float
                    | ForecastAnswer
                    | LabelAnswer
                    | LabelsAnswer
                    | None
                    | ObjectsAnswer
                    | TextAnswer,
                    data,
                )

            predictions_item = _parse_predictions_item(predictions_item_data)

            predictions.append(predictions_item)

        errors = []
        _errors = d.pop("errors")
        for errors_item_data in _errors:
            errors_item = RowError.from_dict(errors_item_data)

            errors.append(errors_item)

        predict_response = cls(
            model=model,
            version=version,
            predictions=predictions,
            errors=errors,
        )

        predict_response.additional_properties = d
        return predict_response

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
