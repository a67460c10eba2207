"""Contains all the data models used in inputs/outputs"""

from .any_json import AnyJson
from .any_text import AnyText
from .batch import Batch
from .batch_list import BatchList
from .chat_choice import ChatChoice
from .chat_choice_finish_reason import ChatChoiceFinishReason
from .chat_completion import ChatCompletion
from .chat_completion_timings import ChatCompletionTimings
from .chat_logprobs import ChatLogprobs
from .chat_message import ChatMessage
from .chat_message_role import ChatMessageRole
from .chat_request import ChatRequest
from .chat_request_logit_bias_type_0 import ChatRequestLogitBiasType0
from .chat_request_metadata_type_0 import ChatRequestMetadataType0
from .chat_request_service_tier_type_0 import ChatRequestServiceTierType0
from .chat_request_tool_choice_type_0 import ChatRequestToolChoiceType0
from .completion import Completion
from .completion_request import CompletionRequest
from .completion_request_logit_bias_type_0 import CompletionRequestLogitBiasType0
from .completion_timings import CompletionTimings
from .embedding_request import EmbeddingRequest
from .embedding_request_encoding_format import EmbeddingRequestEncodingFormat
from .embedding_usage import EmbeddingUsage
from .embeddings import Embeddings
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
from .json_of_schema import JsonOfSchema
from .label_answer import LabelAnswer
from .label_answer_scores import LabelAnswerScores
from .labels_answer import LabelsAnswer
from .labels_answer_scores import LabelsAnswerScores
from .likely import Likely
from .model import Model
from .model_list import ModelList
from .model_takes import ModelTakes
from .named_schema import NamedSchema
from .named_schema_schema import NamedSchemaSchema
from .objects_answer import ObjectsAnswer
from .objects_box import ObjectsBox
from .open_ai_error import OpenAIError
from .predict_request import PredictRequest
from .predict_response import PredictResponse
from .problem import Problem
from .row import Row
from .row_error import RowError
from .row_problem import RowProblem
from .said import Said
from .said_token import SaidToken
from .stream_options import StreamOptions
from .text_answer import TextAnswer
from .text_choice import TextChoice
from .text_choice_finish_reason import TextChoiceFinishReason
from .text_logprobs import TextLogprobs
from .text_logprobs_top_logprobs_item_type_0 import TextLogprobsTopLogprobsItemType0
from .text_part import TextPart
from .usage import Usage
from .vector import Vector

__all__ = (
    "AnyJson",
    "AnyText",
    "Batch",
    "BatchList",
    "ChatChoice",
    "ChatChoiceFinishReason",
    "ChatCompletion",
    "ChatCompletionTimings",
    "ChatLogprobs",
    "ChatMessage",
    "ChatMessageRole",
    "ChatRequest",
    "ChatRequestLogitBiasType0",
    "ChatRequestMetadataType0",
    "ChatRequestServiceTierType0",
    "ChatRequestToolChoiceType0",
    "Completion",
    "CompletionRequest",
    "CompletionRequestLogitBiasType0",
    "CompletionTimings",
    "EmbeddingRequest",
    "EmbeddingRequestEncodingFormat",
    "Embeddings",
    "EmbeddingUsage",
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
    "JsonOfSchema",
    "LabelAnswer",
    "LabelAnswerScores",
    "LabelsAnswer",
    "LabelsAnswerScores",
    "Likely",
    "Model",
    "ModelList",
    "ModelTakes",
    "NamedSchema",
    "NamedSchemaSchema",
    "ObjectsAnswer",
    "ObjectsBox",
    "OpenAIError",
    "PredictRequest",
    "PredictResponse",
    "Problem",
    "Row",
    "RowError",
    "RowProblem",
    "Said",
    "SaidToken",
    "StreamOptions",
    "TextAnswer",
    "TextChoice",
    "TextChoiceFinishReason",
    "TextLogprobs",
    "TextLogprobsTopLogprobsItemType0",
    "TextPart",
    "Usage",
    "Vector",
)
