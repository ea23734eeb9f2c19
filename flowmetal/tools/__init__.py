"""What looks at source text on behalf of its author: the formatter and the linter.

``formatting`` lays a text out anew and changes nothing but white space.
``linting`` compiles a file and says what is allowed and still likely wrong.
"""
