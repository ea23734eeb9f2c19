"""Errors of the commands: wrong usage and unreadable input (FM13xx). Nothing was changed.

FM1304, for sources that are not text, stands in codes_reader.py.

How to read a row: code, what happened in one line, what to do about it, a
command that is wrong and one that is right.
"""

from __future__ import annotations

from flowmetal.errors import ErrorCode

# fmt: off
CODES = (
    ErrorCode("FM1300", "The command line is not understood",
              "A verb, an option or an argument is missing, unknown or of the wrong kind. `--help` on every verb shows its options and an example. Options may stand before or after FILE; after `--` every word is an argument of the program.",
              "fmvm run prog.flow -5", "fmvm run prog.flow -- -5"),
    ErrorCode("FM1301", "There is no such file",
              "The path is taken relative to the folder that the command runs in.",
              "fmvm run order.flow", "fmvm run orders.flow"),
    ErrorCode("FM1302", "A folder was given where a file is expected",
              "Name the file with the `main` function; what it requires is found by itself.",
              "fmvm run src/", "fmvm run src/main.flow"),
    ErrorCode("FM1303", "A file cannot be read",
              "It is there, but the operating system does not let this user read it, or it is no ordinary file. `ls -l` shows its permissions."),
    ErrorCode("FM1305", "A value is not JSON",
              "Values on the command line are JSON: strings stand in double quotes, and the whole in single quotes for the shell. `@FILE` reads a file, `-` standard input. docs/json.md says which value becomes what.",
              "fmvm run prog.flow --input {id: 7}", """fmvm run prog.flow --input '{"id": 7}'"""),
    ErrorCode("FM1307", "ARGs and --input were both given",
              "Each ARG is one argument, a string; `--input` gives one value, whatever it holds. One run gets one or the other.",
              "fmvm run shop.flow 7 --input 8", "fmvm run shop.flow --input '[7, 8]'"),
    ErrorCode("FM1308", "A length of time is not understood",
              "A number and a unit (ms, s, m, h, d), also several: `1h30m`.",
              "fmvm wait RUN --timeout 5", "fmvm wait RUN --timeout 5m"),
    ErrorCode("FM1309", "A tag is not K=V",
              "A tag is a name and a value, both text, with the first `=` between them.",
              "fmvm run prog.flow --tag urgent", "fmvm run prog.flow --tag priority=urgent"),
    ErrorCode("FM1310", "A grant is not understood",
              "Grants name what a run may touch: `--allow-http=HOST[:PORT]`, `--allow-sh=PROGRAM`, `--allow-env=NAME`, `--allow-fs=read:PATH` or `write:PATH`; several with commas. `-A` grants everything.",
              "fmvm run prog.flow --allow-fs=./data", "fmvm run prog.flow --allow-fs=read:./data"),
    ErrorCode("FM1311", "A run's id cannot be used",
              "An id is 1 to 200 printable characters without spaces, not beginning with a dash.",
              "fmvm run prog.flow --id 'a b'", "fmvm run prog.flow --id order-17"),
    ErrorCode("FM1312", "A file cannot be written",
              "The folder is missing or read-only, the disk is full, or the path is a folder. What stood there before is as it was."),
    ErrorCode("FM1313", "A Python module cannot be loaded",
              "`--python` takes the name of a module that this Python can import, or the path of a .py file. It was imported and failed, or it has no function marked with `flowmetal.foreign`.",
              "fmvm run prog.flow --python images", "fmvm run prog.flow --python ./images.py"),
    ErrorCode("FM1314", "The program has no such function",
              "`fmc disasm FILE` alone shows all functions that are not the library's; a function is named as `ns/name`."),
    ErrorCode("FM1315", "There is no such error code",
              "`fmc explain` alone lists all codes.", "fmc explain 114", "fmc explain FM0114"),
    ErrorCode("FM1316", "The beginning of a run's id is not enough",
              "Several runs begin so. Write more of the id; `fmvm ps` lists them."),
    ErrorCode("FM1317", "flow.edn is not understood",
              "The project file is one map; `:paths` is a vector of folders, relative to the file; `:deps` is a map of libraries, each with {:local/root \"../folder\"} or {:git/url \"...\" :git/sha \"...\"}.",
              '{:paths "src"}', '{:paths ["src"]}'),
    ErrorCode("FM1321", "Libraries do not fit together",
              "Two libraries of `:deps` want a third one from different places, or stand on each other in a circle. What the flow.edn of the project itself says of a library counts for all."),
    ErrorCode("FM1322", "A library is not to be had",
              "Its folder is not there, or git could not fetch its commit. Commits are kept in $XDG_CACHE_HOME/flowmetal/git (~/.cache) and fetched once."),
    ErrorCode("FM1318", "The folder is not empty",
              "`fmc new` makes a project in a folder that is empty or not there yet, and changes nothing that exists.",
              "fmc new .", "fmc new orders"),
    ErrorCode("FM1319", "Nothing is known of a name",
              "`fmc doc` knows special forms, the library, and the namespaces below `--path`, $FLOW_PATH, the :paths of flow.edn, else this folder. A function is named as `ns/name`, or by its last word alone if it is the library's.",
              "fmc doc str/jion", "fmc doc str/join"),
    ErrorCode("FM1320", "A signal cannot have this name",
              "A program receives a signal by a keyword, so its name is that of a keyword, with or without the colon.",
              "fmvm signal RUN 'a b'", "fmvm signal RUN approved"),
    ErrorCode("FM1325", "A limit is not understood",
              "Limits are bits (of an integer), characters (of a text), items (that one instruction goes through), frames (of a fiber) and snapshot (bytes from which on a warning is logged). `untrusted` lowers them for programs of strangers. They stand in :limits of flow.edn, too, and each has a least value.",
              "fmvm run FILE --limit depth=5", "fmvm run FILE --limit frames=10000"),
    ErrorCode("FM1330", "The run has no such fiber or frame",
              "`fmvm show` lists the fibers, and the frames of each from the innermost on, which is number 0.",
              "fmvm eval RUN 'total' --frame 99", "fmvm eval RUN 'total' --frame 0"),
    ErrorCode("FM1332", "The program has no such query",
              "Only what `defquery` of flow.event defines can be asked, by its name or as `ns/name`. `fmvm eval` evaluates any expression.",
              "fmvm query RUN totl", "fmvm query RUN total"),
    ErrorCode("FM1331", "The keys of histories cannot be used",
              "$FLOWMETAL_KEYS names a file with one key to a line, each of 16 characters or more. The first one is for new runs."),
)
# fmt: on
