"""The tables of the budget, all on one MetaData."""

from sqlalchemy import MetaData

from shared.tables import NAMING

metadata = MetaData(naming_convention=NAMING)
