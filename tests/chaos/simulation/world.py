"""A world from a seed: the daemon lives and dies in it, people give orders, clocks jump; then it is judged."""

import json
import random
import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

from chaos.simulation.backfills import Backfills
from chaos.simulation.faults import COMMIT_POINTS, IO_ERRORS, OTHER_POINTS, Crash, Disk, Nemesis, copy_history
from chaos.simulation.flows import SECOND, draw_flow, file_of, limit_of
from chaos.simulation.life import Life
from chaos.simulation.machine import Killed, Machine
from chaos.simulation.oracle import Violation, judge
from chaos.simulation.physics import Hours, physics
from chaos.simulation.promises import Looks
from tidemill.catalog.known import CatalogChange
from tidemill.config.paths import StatePaths
from tidemill.domain.errors import TidemillError
from tidemill.domain.events import RunEnded, TaskEnded
from tidemill.history.database import open_database

BEGIN = 1_780_000_000
_SCHEDULES = "SELECT id, spec, created_at, removed_at FROM schedules ORDER BY id"
POINTS = (*COMMIT_POINTS, *OTHER_POINTS)


class World:
    """Everything there is; *folder* is where its state directory lies, *template* a new history."""

    def __init__(self, seed, folder, template):
        self.seed = seed
        self.rng = random.Random(seed)
        self.ids = random.Random(f"ids {seed}")
        self.hours = Hours(BEGIN + self.rng.randrange(86400))
        self.paths = StatePaths(Path(folder))
        for path in (*self.paths.folders, self.paths.journal("00x").parent):
            path.mkdir(parents=True, exist_ok=True)
        source = self.paths.root / "source.py"
        source.write_text("pass\n")
        self.sources = SimpleNamespace(path=lambda digest: source)
        copy_history(template, self.paths.database)
        self.database = open_database(self.paths.database)
        self.nemesis = Nemesis()
        self.disk = Disk(self.database, self.nemesis, self.rng, self.during_commit)
        self.machine = Machine(self, self.paths, self.rng)
        self.max_runs = self.rng.choice((1, 2, 4, 8))
        self.max_catchup = self.rng.choice((3, 3, 20, 200))
        self.life = None
        self.prefix = str(self.paths.database)
        self.opened = []
        self.must_die = False
        self.is_upgrade = False
        self.lives = 0
        self.stats = Counter()
        self.files = {}
        self.allowed = {}
        self.versions = 0
        self.acked_runs = set()
        self.seen_runs = set()
        self.acked_cancels = {}
        self.asked_cancels = set()
        self.backfills = Backfills(self)
        self.paused = {}
        self.pausing = set()
        self.roots = {}
        self.attempts = {}
        self.recorded = set()
        self.applied_at = 0
        self.epochs = {}
        self.jitter = defaultdict(float)
        """The most that each schedule ever put a moment off, in seconds."""
        self.looks = Looks()
        for number in range(self.rng.randint(1, 4)):
            self._put_file(f"f{number}")

    # Asked by the others

    def now(self):
        return datetime.fromtimestamp(self.micros() // SECOND, UTC).replace(microsecond=self.micros() % SECOND)

    def micros(self):
        """Return the wall's time; its last three digits tell the era, which a time alone would leave open."""
        return self.hours.time_ns() // 1_000_000 * 1000 + len(self.hours.eras) - 1

    def ensure_forkserver(self, _paths, _preload, on_retired=None):
        is_other, self.is_upgrade = self.is_upgrade, False
        return self.machine.ensure(on_retired, is_other=is_other and on_retired is not None)

    def began_run(self, process):
        order, truth = process.order, self.machine.truth_of(process.uid)
        self.roots[order.run] = self.roots.get(order.parent, order.parent) if order.parent else order.run
        self.attempts[order.run] = self.attempts.get(order.parent, 0) + 1 if order.parent else 1
        if order.attempt < self.attempts[order.run]:
            raise Violation(f"I5: attempt {self.attempts[order.run]} of {order.parent} is called {order.attempt}")
        if truth.processes > 1:
            raise Violation(f"I6: {truth.processes} processes executed the run {order.run}")
        if order.run in self.acked_cancels and self.acked_cancels[order.run] == "cancelled":
            raise Violation(f"I1: the run {order.run} was executed after it had been cancelled")
        live = [each for each in self.machine.live() if each.holds_journal]
        of_flow = [each.uid for each in live if each.order.flow == order.flow]
        if len(of_flow) > self.allowed[order.flow]:
            raise Violation(f"I6: {len(of_flow)} runs of {order.flow} live at once: {of_flow}")
        if len(live) > self.max_runs:
            raise Violation(f"I6: {len(live)} runs live at once, and max_runs is {self.max_runs}")

    def began_task(self, uid, name):
        self.stats["tasks begun"] += 1
        if (self.roots[uid], name) in self.recorded:
            raise Violation(
                f"I4: the task {name} of the run {uid} was executed again after its completion was recorded"
            )

    def appended(self, process, event):
        if type(event) is TaskEnded and event.state == "completed":
            self.recorded.add((self.roots[process.uid], event.name))
        if self.life is not None and self.rng.random() < 0.85:
            self.life.recorder.hint(urgent=type(event) is RunEnded)

    def is_torn(self):
        return self.nemesis.armed == "append middle" or self.rng.random() < 0.1

    def passes(self, point, _process):
        if not self.nemesis.is_due(point):
            return
        self.nemesis.done[point] += 1
        victim = self.rng.choice(("daemon", "process", "both", "server"))
        if victim == "server" and self.machine.server is not None:
            self._kill_server()
        self.must_die = victim in ("daemon", "both")
        if victim in ("process", "both"):
            raise Killed

    def check_daemon(self):
        if self.must_die:
            self.must_die = False
            raise Crash("append")

    # Files and schedules

    def _put_file(self, name):
        manifest = draw_flow(self.rng, name)
        self.versions += 1
        old = self.files.get(name)
        self.files[name] = file_of(manifest, self.versions)
        before = limit_of(old.flows[0]) if old else 0
        self.allowed[name] = max(limit_of(manifest), before, self.allowed.get(name, 0))

    def applies(self, _change):
        self.applied_at = self.micros()

    def query(self, sql, args=()):
        with closing(sqlite3.connect(f"file:{self.paths.database}?mode=ro", uri=True)) as connection:
            return connection.execute(sql, args).fetchall()

    def _look(self):
        """Read what the daemon left behind."""
        with closing(sqlite3.connect(f"file:{self.paths.database}?mode=ro", uri=True)) as connection:
            self._note_epochs(connection.execute(_SCHEDULES))
            self._settle_acks(connection)

    def note_epochs(self):
        """Note which schedules have begun or ended, as the history has it now."""
        self._note_epochs(self.query(_SCHEDULES))

    def _note_epochs(self, rows):
        for schedule_id, spec, created, removed in rows:
            epochs = self.epochs[schedule_id][1] if schedule_id in self.epochs else []
            self.epochs[schedule_id] = (spec, epochs)
            self.jitter[schedule_id] = max(self.jitter[schedule_id], json.loads(spec)["jitter"])
            if not epochs:
                epochs.append([created, None])
            elif epochs[-1][1] is not None and removed is None:
                epochs.append([self.applied_at, None])
            if removed is not None and epochs[-1][1] is None:
                epochs[-1][1] = removed

    def _settle_acks(self, connection):
        """Look whether what was acknowledged is there, and what became of what was not."""
        for uid in self.acked_runs - self.seen_runs:
            if connection.execute("SELECT 1 FROM runs WHERE uid = ?", (uid,)).fetchone() is None:
                raise Violation(f"I1: the acknowledged run {uid} is lost")
        self.seen_runs |= self.acked_runs
        self.backfills.forsake()
        found = dict(connection.execute("SELECT name, paused_at IS NOT NULL FROM flows"))
        for name, paused in self.paused.items():
            if name not in self.pausing and bool(found.get(name)) != paused:
                raise Violation(f"I1: {name} was {'paused' if paused else 'resumed'}, and is not any more")
        self.paused = {name: bool(paused) for name, paused in found.items()}
        self.pausing.clear()

    # What happens

    def run(self, rounds):
        """Live through so many rounds with a fault in each, then judge."""
        with physics(self):
            try:
                for _ in range(rounds):
                    self._round()
                if self.rng.random() < 0.6:
                    self._trouble()
                self._quiet_down()
            finally:
                if self.life is not None:
                    self._kill()
                self.machine.reboot()
        return self

    def walk(self, point, nth, steps):
        """Live through so many steps and be killed where *point* is passed for the *nth* time; tell whether it was."""
        with physics(self):
            try:
                self._begin()
                self.nemesis.arm(point, nth)
                try:
                    for _ in range(steps):
                        self._step()
                except Crash:
                    pass
                was_killed = self.nemesis.armed is None
                self._kill()
                self._quiet_down()
            finally:
                if self.life is not None:
                    self._kill()
                self.machine.reboot()
        return was_killed

    def _round(self):
        rng = self.rng
        self._begin()
        kind = rng.random()
        if kind < 0.70:
            self.nemesis.arm(rng.choice(POINTS), rng.choice((1, 1, 2, 2, 3, 5, 8)))
        if rng.random() < 0.3:
            self._fail_disk()
        if rng.random() < 0.1:
            self._jump()
        try:
            for _ in range(rng.choice((5, 20, 40, 80)) if kind >= 0.7 else 120):
                self._step()
                if self.life.is_ready and rng.random() < 0.07:
                    self._fault_outside()
            if kind > 0.9:
                self._stop()
                return
            self.nemesis.done["random moment"] += 1
        except Crash:
            pass
        self._kill()
        self._away()

    def _trouble(self):
        """Let the last life have trouble with its disk, which it has to get over by itself."""
        self._begin()
        for _ in range(4):
            self._fail_disk()
            for _ in range(40):
                self._step()

    def _fail_disk(self):
        self.nemesis.io_errors = self.rng.choice((1, 1, 3, 8))
        self.nemesis.io_kind = (self.rng.choice(("begin", "commit", "answer")), self.rng.choice(IO_ERRORS))

    def during_commit(self):
        """Let the loop go on while the recorder's thread is about to commit."""
        if self.rng.random() < 0.3:
            try:
                for _ in range(self.rng.choice((1, 3, 10))):
                    self.life.loop.run_one()
            except Exception as error:  # the recorder would take it for its own
                self.life.is_broken = error

    def _begin(self):
        if self.life is None:
            self.is_upgrade = self.rng.random() < 0.05
            self.life = Life(self)
            self.lives += 1

    def _kill(self):
        self.nemesis.disarm()
        self.must_die = False
        life, self.life = self.life, None
        life.die()
        self._look()

    def _stop(self):
        """Stop the daemon in order."""
        self.nemesis.disarm()
        self.life.clock._timer._state = 0
        while not self.life.stop():
            pass
        self.life = None
        self.stats["stops"] += 1
        self._look()
        self._away()

    def _away(self):
        """Let time pass without a daemon."""
        rng = self.rng
        self.hours.pass_by(
            rng.choice(
                (0, 0, 0.3, 2, 30, 300) if rng.random() < 0.985 else (3600, 3600, 3600, 7200, 7200, 86400, 10 * 86400)
            )
        )
        for _ in range(rng.choice((0, 0, 3, 20))):
            self._step_outside()
        luck = rng.random()
        if luck < 0.05:
            self.machine.reboot()
            self.nemesis.done["reboot"] += 1
        elif luck < 0.15:
            self._fault_outside()
        elif luck < 0.25:
            self._edit_files()

    def _jump(self):
        rng, wrong = self.rng, self.hours.wrong
        if abs(wrong) > 60 and rng.random() < 0.4:
            self.hours.jump(-wrong)
            self.nemesis.done["clock set right"] += 1
        else:
            self.hours.jump(rng.choice((-1, 1)) * rng.choice((3, 60, 1000, 5000, 9000, 4 * 3600, 30 * 3600)))
            self.nemesis.done["clock jump"] += 1

    def _kill_server(self):
        self.machine.server.die()
        self.nemesis.done["fork server"] += 1

    def _fault_outside(self):
        rng = self.rng
        if rng.random() < 0.3 and self.machine.server is not None and self.machine.server.is_alive:
            self._kill_server()
        elif self.machine.live():
            rng.choice(self.machine.live()).die(rng.choice((-9, -11, -15)))
            self.nemesis.done["run process"] += 1
        elif self.life is not None and rng.random() < 0.15:
            self._jump()

    def _step_outside(self):
        live, servers = self.machine.live(), self.machine.servers()
        luck = self.rng.random()
        if live and luck < 0.7:
            self.rng.choice(live).step()
        elif servers:
            server = self.rng.choice(servers)
            if not (server.orders and self.rng.random() < 0.7):
                server.reap()
            else:
                server.take_order()
        self.machine.forget_dead()

    def _step(self):
        """Let one thing happen."""
        life, luck = self.life, self.rng.random()
        if luck < 0.38:
            for _ in range(self.rng.choice((1, 1, 4) if life.is_ready else (1, 8, 20))):
                self.nemesis.at("callback")
                if not life.loop.run_one():
                    break
        elif luck < 0.58:
            self._turn_recorder()
        elif luck < 0.66:
            life.listen()
        elif luck < 0.86:
            self._step_outside()
        elif luck < 0.94:
            self.hours.pass_by(self.rng.choice((0.01, 0.1, 0.5, 1.0, 1.0, 3.0, 10.0, 60.0)))
            life.tick()
            life.beat()
        elif life.is_ready:
            self._command()
        self.looks.note(life)
        if isinstance(life.is_broken, Exception):
            raise life.is_broken

    def _turn_recorder(self):
        """Let the recorder do what it has to, and look at what it has recorded."""
        has_turned = self.life.turn_recorder()
        if has_turned:
            self.backfills.note()
        return has_turned

    def _pump(self):
        """Let everything happen that can without time."""
        life = self.life
        is_busy = True
        while is_busy:
            is_busy = self._turn_recorder()
            while life.loop.run_one():
                is_busy = True
            is_busy |= life.listen()
            for server in self.machine.servers():
                while server.orders:
                    server.take_order()
                    is_busy = True
                while server.reap():
                    is_busy = True
            for process in self.machine.live():
                process.step()
                is_busy = True
            self.machine.forget_dead()
        self.looks.note(life)
        if isinstance(life.is_broken, Exception):
            raise life.is_broken

    # What people do

    def _command(self):
        rng, life = self.rng, self.life
        flow = rng.choice(sorted(self.files)) if self.files else None
        if flow and rng.random() < 0.2:
            self.backfills.ask()
            self._aim()
            return
        luck = rng.random()
        if luck < 0.3 and flow:
            life.ask("run", {"flow": flow, "force": True}, self._answered_run)
        elif luck < 0.45 and flow:
            verb = "resume" if self.paused.get(flow) else "pause"
            if flow not in self.pausing:
                self.pausing.add(flow)
                life.ask(verb, {"flow": flow}, lambda answer: self._answered_pause(flow, answer))
        elif luck < 0.6:
            active = [run.uid for run in life.dispatcher._runs.values() if run.id]
            if active:
                uid = rng.choice(sorted(active))
                self.asked_cancels.add(uid)
                life.ask("cancel", {"run": uid}, lambda answer: self._answered_cancel(uid, answer))
        elif luck < 0.85:
            rows = self.query(
                "SELECT uid FROM runs WHERE state IN ('failed', 'crashed', 'cancelled') ORDER BY id DESC LIMIT 9"
            )
            if rows:
                life.ask("retry", {"run": rng.choice(rows)[0]}, self._answered_run)
        elif not life.enrolment.pending:
            self._edit()

    def _aim(self):
        """Let what was just asked be recorded in trouble, now and then: whole lives go by without such a thing."""
        luck = self.rng.random()
        if luck < 0.3:
            self._fail_disk()
        elif luck < 0.6 and self.nemesis.armed:
            self.nemesis.arm(self.rng.choice(COMMIT_POINTS), 1)

    def _answered_run(self, answer):
        if isinstance(answer, dict):
            self.acked_runs.add(answer["run"])
        else:
            self._expected(answer)

    def _answered_cancel(self, uid, answer):
        if isinstance(answer, dict):
            if answer["state"] in ("cancelling", "cancelled"):
                self.acked_cancels[uid] = answer["state"]
        else:
            self._expected(answer)

    def _answered_pause(self, flow, answer):
        if isinstance(answer, dict):
            self.paused[flow] = answer["paused"]
            self.pausing.discard(flow)
        else:
            self._expected(answer)

    def _expected(self, answer):
        if not isinstance(answer, TidemillError):
            raise answer
        self.stats["refused"] += 1

    def _edit_files(self):
        """Change, add or take away a file; return what changed and what is gone."""
        rng = self.rng
        name = f"f{rng.randrange(4)}"
        if name in self.files and rng.random() < 0.3:
            return (), (self.files.pop(name),)
        self._put_file(name)
        return (self.files[name],), ()

    def _edit(self):
        self.note_epochs()
        changed, removed = self._edit_files()
        change = CatalogChange(changed=changed, removed=removed, gone=tuple(file.flows[0].name for file in removed))

        self.life.inbox.put(self.life.apply, change)
        while self.life.loop.run_one():
            pass

    # The end

    def _quiet_down(self):
        """Stop whatever makes new runs, and wait for the last one."""
        self.nemesis.disarm()
        self._begin()
        for _ in range(60):
            self._pump()
            if self.life.is_ready:
                break
            self.hours.pass_by(1.0)
        else:
            raise Violation("I2: the daemon does not become ready")
        for flow in sorted(self.files):
            self.pausing.add(flow)
            self.life.ask("pause", {"flow": flow}, lambda answer: None)
        for waited in range(2500):
            self._pump()
            life = self.life
            if not life.dispatcher.live_runs and not life.dispatcher.queued and not self.machine.live() and waited > 3:
                break
            self.hours.pass_by(1.0)
            life.tick()
            life.beat()
        else:
            runs = [(run.uid, run.state, run.launched, run.gone, run.ended) for run in life.dispatcher._runs.values()]
            raise Violation(f"I2: runs never end: {runs}, queued {life.dispatcher.queued}")
        self.hours.pass_by(2.0)
        life.tick()
        self._pump()
        self.ends_at = self.micros()
        self.note_epochs()
        judge(self)
