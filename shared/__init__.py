"""Mechanism and event contracts that the four services share; knows no service and no permit."""
