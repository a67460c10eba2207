from enum import StrEnum


class ChatRequestServiceTierType0(StrEnum):
    AUTO = "auto"
    DEFAULT = "default"

    def __str__(self) -> str:
        return str(self.value)
