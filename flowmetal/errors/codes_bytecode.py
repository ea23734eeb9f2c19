"""Compiled programs' errors: bytes are not a program that this version can run (FM08xx).

How to read a row: code, what happened in one line, what to do about it.
"""

from __future__ import annotations

from flowmetal.errors import ErrorCode

# fmt: off
CODES = (
    ErrorCode("FM0801", "The file is not a compiled Flowmetal program",
              "A compiled program begins with the eight bytes 89 46 4D 42 0D 0A 1A 0A. A source file can be run as it is with `fmvm run FILE.flow`; `fmc compile FILE.flow` makes a program of it. A program that went through a tool that changes line ends is damaged for good: copy it as binary data."),
    ErrorCode("FM0802", "The program was compiled by a newer version of Flowmetal",
              "Programs of older formats can always be run, newer ones cannot. Upgrade Flowmetal here, or compile the source with the version that is installed here."),
    ErrorCode("FM0803", "The program's file has the wrong length",
              "It is cut off, or something was written behind its end: a copy that did not finish, a full disk. Copy the file again or compile it again."),
    ErrorCode("FM0804", "The program's checksum does not match",
              "At least one bit of the file is not what was written. Copy the file again or compile it again, and have a look at the disk."),
    ErrorCode("FM0805", "The program's content cannot be right",
              "The checksum matches, but no compiler of this version writes such content. The file was made by a damaged or a hostile tool. Compile the program again from its source."),
    ErrorCode("FM0806", "The code of a function is missing or has another hash",
              "Functions are named by the hash of their code, and something in the program names code that is not in it. Compile the program again from its source."),
    ErrorCode("FM0807", "The program says one thing twice",
              "A namespace, the code of a function or a var that the program fixes is in the file two times, so that it is not clear which one is meant. Compile the program again from its source."),
    ErrorCode("FM0808", "The program has an instruction that this version does not know",
              "The program was compiled by a newer version of Flowmetal, or by a damaged tool. Upgrade Flowmetal or compile the program again."),
    ErrorCode("FM0809", "An instruction must not be run: its operand is out of range",
              "Every instruction is verified before a program runs. An operand names a constant, a local, a function or an instruction that is not there. The program was made by a damaged or a hostile tool; if `fmc` made it, please report it."),
    ErrorCode("FM0810", "An instruction must not be run: the operand stack has the wrong depth",
              "Every way that leads to an instruction must leave equally many operands on the stack, and no instruction may take more than there are. The program was made by a damaged or a hostile tool; if `fmc` made it, please report it."),
    ErrorCode("FM0811", "A function must not be run: its handlers, bindings or arities do not fit",
              "Protected ranges, finally blocks and bindings of dynamic vars must be entered and left in pairs, and each number of arguments must have one body. The program was made by a damaged or a hostile tool; if `fmc` made it, please report it."),
    ErrorCode("FM0812", "The program does not hold the namespace that it starts in",
              "The entry of a program is one of its own namespaces. Compile the program again from its source."),
    ErrorCode("FM0813", "The file holds something else than a program",
              "Library images have the same container as programs and are not run. Name the program's file."),
    ErrorCode("FM0814", "The text is not an assembly listing",
              "The assembler reads the form that `fmc disassemble` writes for a single function. The message names the line and what was expected there."),
    ErrorCode("FM0820", "The program needs a native function that this version does not have",
              "Native functions belong to the version of Flowmetal and are known by name. The program was compiled by a newer version: upgrade Flowmetal here, or compile the source with this version."),
)
# fmt: on
