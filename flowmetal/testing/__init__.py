"""For tests of programs and of Flowmetal: a clock that is moved, a world that follows a script, stores that die."""
