-- SPDX-License-Identifier: MIT
--- Loaded by busted before any spec.
--
-- busted forgets the modules that a spec file loaded before it goes on to the next. luv does not
-- bear to be loaded twice into one Lua state (its loop is gone, the process crashes), so it is
-- loaded here, where busted leaves it alone.

pcall(require, "luv")
