package statetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // driver "pgx"
)

// server is a PostgreSQL server. It ends when this process does, however that
// comes: its keeper reads a pipe that only this process writes to.
type server struct {
	folder    string
	alive     *os.File // the pipe's end; it must stay open
	databases atomic.Int64
}

// shared gives the server of this process. Starting one takes seconds, so it is
// started once; nothing but its databases changes afterwards. Without a server
// the error says what is missing on this machine.
var shared = sync.OnceValues(func() (*server, error) {
	programs, err := find()
	if err != nil {
		return nil, err
	}
	as, err := unprivileged()
	if err != nil {
		return nil, err
	}
	s := &server{}
	return s, s.start(programs, as)
})

// find gives the folder with initdb and postgres: Debian keeps them out of PATH.
func find() (string, error) {
	folders := filepath.SplitList(os.Getenv("PATH"))
	packaged, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	for _, folder := range slices.Concat(folders, packaged) {
		_, missing1 := exec.LookPath(filepath.Join(folder, "initdb"))
		_, missing2 := exec.LookPath(filepath.Join(folder, "postgres"))
		if missing1 == nil && missing2 == nil {
			return folder, nil
		}
	}
	return "", errors.New("initdb and postgres are neither in PATH nor in /usr/lib/postgresql: apt-get install postgresql")
}

// unprivileged makes children run as the user postgres where the tests run as
// root, for whom PostgreSQL refuses to start. Elsewhere it gives nil.
func unprivileged() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, errors.New("PostgreSQL does not run as root and there is no user postgres: apt-get install postgresql")
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(err1, err2)
}

// keep runs the server until its input ends, and leaves nothing behind.
const keep = `"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=off -c full_page_writes=off \
	-c shared_buffers=16MB -c log_min_messages=fatal &
read -r _
kill -INT $!
wait
rm -rf "$2"`

// superuser is who owns the server; medfleet's databases belong to owner, who
// may do nothing else.
const (
	superuser = "postgres"
	owner     = "medfleet"
)

func (s *server) start(programs string, as *syscall.Credential) error {
	var err error
	if s.folder, err = os.MkdirTemp("", "pg"); err != nil { // short: a socket's path has 107 bytes
		return err
	}
	if as != nil {
		if err := os.Chown(s.folder, int(as.Uid), int(as.Gid)); err != nil {
			return err
		}
	}
	data := filepath.Join(s.folder, "data")
	initialise := s.command(as, filepath.Join(programs, "initdb"), "-D", data, "-U", superuser, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	if out, err := initialise.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("initdb: %w: %s", err, out), os.RemoveAll(s.folder))
	}
	if err := s.launch(s.command(as, "/bin/sh", "-c", keep, "sh", programs, s.folder)); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	return s.await()
}

func (s *server) command(as *syscall.Credential, program string, args ...string) *exec.Cmd {
	c := exec.Command(program, args...)
	c.Dir = s.folder
	c.SysProcAttr = &syscall.SysProcAttr{Credential: as, Setpgid: true} // an interrupt of the tests is the keeper's to answer
	return c
}

func (s *server) launch(keeper *exec.Cmd) error {
	input, alive, err := os.Pipe()
	if err != nil {
		return err
	}
	defer input.Close()
	log, err := os.Create(filepath.Join(s.folder, "log"))
	if err != nil {
		return errors.Join(err, alive.Close())
	}
	defer log.Close()
	keeper.Stdin, keeper.Stdout, keeper.Stderr = input, log, log
	s.alive = alive
	return keeper.Start()
}

const startTime = 30 * time.Second

// await returns when the server answers, with the role for medfleet made.
func (s *server) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := s.administer(ctx, "CREATE ROLE "+owner+" LOGIN")
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			log, _ := os.ReadFile(filepath.Join(s.folder, "log"))
			return fmt.Errorf("PostgreSQL does not answer: %w: %s", err, log)
		}
	}
}

func (s *server) administer(ctx context.Context, statement string) error {
	db, err := sql.Open("pgx", s.url(superuser, "postgres"))
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, statement)
	return err
}

func (s *server) url(user, database string) string {
	return fmt.Sprintf("postgres://%s@/%s?host=%s", user, database, s.folder)
}

func (s *server) database(ctx context.Context, options string) (string, error) {
	name := fmt.Sprint("test", s.databases.Add(1))
	if err := s.administer(ctx, "CREATE DATABASE "+name+" OWNER "+owner+" "+options); err != nil {
		return "", fmt.Errorf("make database %s: %w", name, err)
	}
	return s.url(owner, name), nil
}
