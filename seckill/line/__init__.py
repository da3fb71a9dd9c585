"""The line: who may buy, in which order. Knows Redis; knows neither HTTP nor SQL."""
