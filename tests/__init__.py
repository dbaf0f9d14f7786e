"""The tests, and the rehearsal that `make rehearse` runs."""

import signal

# A shell starts what runs in the background with Ctrl-C ignored, nohup ignores a hangup, and both
# are inherited: an interruption that is tested would never arrive. What a handler takes, even one
# that does nothing, is not ignored by what is started.
for _each in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(_each) is signal.SIG_IGN:
        signal.signal(_each, lambda *_: None)
