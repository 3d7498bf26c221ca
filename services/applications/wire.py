"""Types of request bodies that several nouns share."""

from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, Field

from shared.document import canonical_document

# As a system names its officers. It becomes part of an id, so it holds no separator of ours.
OfficerName: TypeAlias = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9._-]+$")]

# 会议纪要文号, in the one form of documents' numbers.
MinutesNumber: TypeAlias = Annotated[str, BeforeValidator(canonical_document), Field(min_length=1, max_length=60)]
