"""cvc5 as a program, from its Python package, which has none: reads SMT-LIB on standard input and answers as cvc5 does."""

import sys

import cvc5


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def whole(waiting):
    """Whether every parenthesis is closed; those in strings, quoted names and comments do not count."""
    depth, quote, comment = 0, "", False
    for c in waiting:
        if comment:
            comment = c != "\n"
        elif quote:
            quote = "" if c == quote else quote
        elif c in '"|':
            quote = c
        elif c == ";":
            comment = True
        else:
            depth += (c == "(") - (c == ")")
    return depth <= 0 and not quote


class Session:
    """What one `(reset)` throws away."""

    def __init__(self, limit):
        self.solver = cvc5.Solver()
        if limit:
            # The program's own limit is for all of its life; here it is for one question, which is never longer.
            self.solver.setOption("tlimit-per", limit)
        self.parser = cvc5.InputParser(self.solver)
        self.symbols = self.parser.getSymbolManager()

    def say(self, commands):
        self.parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, commands, "stdin")
        while True:
            command = self.parser.nextCommand()
            if command.isNull():
                return
            sys.stdout.write(text(command.invoke(self.solver, self.symbols)))
            sys.stdout.flush()


def main():
    if "--version" in sys.argv:
        print("This is cvc5 version " + text(cvc5.Solver().getVersion()))
        return
    limits = [a.split("=", 1)[1] for a in sys.argv if a.startswith("--tlimit=")]
    limit = limits[-1] if limits else None
    session, waiting = Session(limit), ""
    for line in sys.stdin:
        waiting += line
        if not whole(waiting):
            continue
        if waiting.strip() == "(reset)":
            session = Session(limit)
        else:
            try:
                session.say(waiting)
            except RuntimeError as error:
                # As the program does: say so, and end.
                print('(error "%s")' % str(error).replace('"', '""'), flush=True)
                sys.exit(1)
        waiting = ""


main()
