"""The inputs of a property's decisions."""

from contracts.properties import ChangeProperty, DefineProperty

PropertyInput = DefineProperty | ChangeProperty
