"""Tables written: staged where nobody looks, then committed together."""
