"""Read an answer out of free text, or refuse it for a reason that can be counted; see ``docs/replies.md``.

Readers are pure functions of text and plain numbers, take time linear in the length of a reply and never raise. When in
doubt there is no answer.
"""
