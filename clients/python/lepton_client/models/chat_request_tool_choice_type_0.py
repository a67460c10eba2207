from enum import StrEnum


class ChatRequestToolChoiceType0(StrEnum):
    AUTO = "auto"
    NONE = "none"

    def __str__(self) -> str:
        return str(self.value)
