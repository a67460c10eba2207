"""Contains all the data models used in inputs/outputs"""

from .batch import Batch
from .batch_list import BatchList
from .files import Files
from .forecast_answer import ForecastAnswer
from .health import Health
from .infer_input import InferInput
from .infer_input_datatype import InferInputDatatype
from .infer_input_parameters import InferInputParameters
from .infer_output import InferOutput
from .infer_output_parameters import InferOutputParameters
from .infer_request import InferRequest
from .infer_request_parameters import InferRequestParameters
from .infer_response import InferResponse
from .infer_response_outputs_item import InferResponseOutputsItem
from .label_answer import LabelAnswer
from .label_answer_scores import LabelAnswerScores
from .labels_answer import LabelsAnswer
from .labels_answer_scores import LabelsAnswerScores
from .model import Model
from .model_list import ModelList
from .model_takes import ModelTakes
from .objects_answer import ObjectsAnswer
from .objects_box import ObjectsBox
from .open_ai_error import OpenAIError
from .predict_request import PredictRequest
from .predict_response import PredictResponse
from .problem import Problem
from .row import Row
from .row_error import RowError
from .row_problem import RowProblem
from .text_answer import TextAnswer

__all__ = (
    "Batch",
    "BatchList",
    "Files",
    "ForecastAnswer",
    "Health",
    "InferInput",
    "InferInputDatatype",
    "InferInputParameters",
    "InferOutput",
    "InferOutputParameters",
    "InferRequest",
    "InferRequestParameters",
    "InferResponse",
    "InferResponseOutputsItem",
    "LabelAnswer",
    "LabelAnswerScores",
    "LabelsAnswer",
    "LabelsAnswerScores",
    "Model",
    "ModelList",
    "ModelTakes",
    "ObjectsAnswer",
    "ObjectsBox",
    "OpenAIError",
    "PredictRequest",
    "PredictResponse",
    "Problem",
    "Row",
    "RowError",
    "RowProblem",
    "TextAnswer",
)
