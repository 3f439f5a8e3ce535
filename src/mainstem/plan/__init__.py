"""The plan: types, trees and nodes. Pure Python; imports nothing above it."""
