"""Text of one line, as people write it into a form."""

from typing import Annotated

from pydantic import Field

# No control characters: no form shows them, and PostgreSQL stores no NUL.
Line = Annotated[str, Field(min_length=1, pattern=r"^[^\x00-\x1f\x7f]+$")]
