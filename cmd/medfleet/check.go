package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"medfleet/alerting/rules"
	"medfleet/profiles"
)

func newCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check a configuration or rule files without running anything",
		Args:  usageArgs(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		&cobra.Command{
			Use:     "config FILE",
			Short:   "Check a configuration file",
			Example: "  medfleet check config medfleet.yaml",
			Args:    usageArgs(cobra.ExactArgs(1)),
			RunE:    func(cmd *cobra.Command, args []string) error { return checkConfig(cmd, args[0]) },
		},
		&cobra.Command{
			Use:     "rules FILE...",
			Short:   "Check rule files",
			Example: "  medfleet check rules ward.yaml icu.yaml",
			Args:    usageArgs(cobra.MinimumNArgs(1)),
			RunE:    checkRules,
		},
	)
	return cmd
}

// checkConfig tells everything that is wrong with a file, or that it is good.
func checkConfig(cmd *cobra.Command, path string) error {
	f, err := readFile(path)
	if err != nil {
		return lintError{err}
	}
	set, err := profiles.Load(f.Profiles)
	if err != nil {
		return lintError{f.source.wrong(fmt.Errorf("profiles: %w", err))}
	}
	var errs []error
	if f.Gateway == nil && f.Collector == nil {
		errs = append(errs, errors.New("neither a section gateway nor a section collector: there is nothing to run"))
	}
	if f.Gateway != nil {
		_, err := f.gateway()
		errs = append(errs, err, f.Gateway.HL7.CheckSenders(set), f.Gateway.MQTT.CheckSparkplugMappings(set), f.Gateway.MQTT.CheckMappings(set))
	}
	if f.Collector != nil {
		_, authErr := f.API.authenticator()
		_, tlsErr := f.API.tls()
		errs = append(errs, f.checkCollector(), authErr, tlsErr, f.Alerting.Check(set))
	}
	if err := errors.Join(errs...); err != nil {
		return lintError{f.source.wrong(err)}
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: good\n", path)
	return nil
}

func checkRules(cmd *cobra.Command, files []string) error {
	set, err := profiles.Load("")
	if err != nil {
		return err
	}
	loaded, err := rules.Load(files, set)
	if err != nil {
		return lintError{err}
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%d rules: good\n", len(loaded.Rules()))
	return nil
}
