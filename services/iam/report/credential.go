package report

import (
	"bytes"
	"context"
	"encoding/csv"
	"strconv"
	"time"

	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/iam/credential"
	"github.com/gigawatt-cloud/gigawatt/services/iam/entity"
)

// credentialReport is an account's latest report.
type credentialReport struct {
	Content   []byte    `cbor:"content"`
	Generated time.Time `cbor:"generated"`
}

var credentialReports = kv.NewTable[credentialReport]("iam/credentialreport") // account

const (
	credentialJob = "iam.credentialreport"
	// fresh is how long a report stands before a new one is written.
	fresh = 4 * time.Hour
)

func needGenerateCredentialReport(*service.Call, *api.GenerateCredentialReportInput) []policy.Need {
	return entity.NeedAny("GenerateCredentialReport")
}

func generateCredentialReport(ctx context.Context, c *service.Call, _ *api.GenerateCredentialReportInput) (*api.GenerateCredentialReportOutput, error) {
	out := &api.GenerateCredentialReportOutput{}
	return out, c.Update(ctx, func(tx *kv.Tx) error {
		out.State, out.Description = new(api.ReportStateTypeStarted), new("No report exists. Starting a new report generation task")
		old, err := credentialReports.Get(tx, c.Account)
		switch {
		case err == nil && c.Now.Sub(old.Generated) < fresh:
			out.State, out.Description = new(api.ReportStateTypeComplete), nil
			return nil
		case err != nil && !entity.IsNotFound(err):
			return err
		}
		_, err = service.FindJob(tx, credentialJob, string(c.Account))
		if err == nil {
			out.State, out.Description = new(api.ReportStateTypeInprogress), nil
			return nil
		}
		if !entity.IsNotFound(err) {
			return err
		}
		return service.Enqueue(tx, &service.Job{Kind: credentialJob, ID: string(c.Account), Account: c.Account, Region: c.Region, RunAt: c.Now})
	})
}

func needGetCredentialReport(*service.Call, *api.GetCredentialReportInput) []policy.Need {
	return entity.NeedAny("GetCredentialReport")
}

func getCredentialReport(ctx context.Context, c *service.Call, _ *api.GetCredentialReportInput) (*api.GetCredentialReportOutput, error) {
	out := &api.GetCredentialReportOutput{ReportFormat: new(api.ReportFormatTypeTextCsv)}
	return out, c.View(ctx, func(tx *kv.Tx) error {
		r, err := credentialReports.Get(tx, c.Account)
		switch {
		case err == nil && c.Now.Sub(r.Generated) < fresh:
			out.Content, out.GeneratedTime = r.Content, &r.Generated
			return nil
		case err != nil && !entity.IsNotFound(err):
			return err
		}
		had := err == nil
		switch _, err = service.FindJob(tx, credentialJob, string(c.Account)); {
		case err == nil:
			return api.ErrCredentialReportNotReadyException("The report is being generated. Please try later.")
		case !entity.IsNotFound(err):
			return err
		case had:
			return api.ErrCredentialReportExpiredException("The report has expired. Please generate a new one.")
		}
		return api.ErrCredentialReportNotPresentException("No report present. Please generate one with GenerateCredentialReport.")
	})
}

var columns = []string{
	"user", "arn", "user_creation_time", "password_enabled", "password_last_used", "password_last_changed", "password_next_rotation", "mfa_active",
	"access_key_1_active", "access_key_1_last_rotated", "access_key_1_last_used_date", "access_key_1_last_used_region", "access_key_1_last_used_service",
	"access_key_2_active", "access_key_2_last_rotated", "access_key_2_last_used_date", "access_key_2_last_used_region", "access_key_2_last_used_service",
	"cert_1_active", "cert_1_last_rotated", "cert_2_active", "cert_2_last_rotated",
}

// What stands in a column that has no value.
const (
	notApplicable = "N/A"
	noInformation = "no_information"
	notSupported  = "not_supported"
)

// writeCredentialReport is the job: it reads one snapshot and stores the report.
func writeCredentialReport(ctx context.Context, c *service.Call, j *service.Job) (again time.Time, err error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if err := w.Write(columns); err != nil {
		return again, err
	}
	err = c.View(ctx, func(tx *kv.Tx) error {
		rules, err := identity.PasswordPolicies.Get(tx, j.Account)
		if entity.IsNotFound(err) {
			rules, err = &identity.PasswordPolicy{}, nil
		}
		if err != nil {
			return err
		}
		row, err := rootRow(tx, j.Account, c.Now)
		if err != nil {
			return err
		}
		if err := w.Write(row); err != nil {
			return err
		}
		for r, err := range identity.Users.Scan(tx, j.Account, nil) {
			if err != nil {
				return err
			}
			row, err := userRow(tx, j.Account, r.Value, rules)
			if err != nil {
				return err
			}
			if err := w.Write(row); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return again, err
	}
	w.Flush()
	report := &credentialReport{Content: b.Bytes(), Generated: entity.Second(c)}
	return again, c.Update(ctx, func(tx *kv.Tx) error { return credentialReports.Put(tx, report, j.Account) })
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05+00:00") }

// rootRow is the account's own line. When the account was made is not kept:
// its first key stands for it.
func rootRow(tx *kv.Tx, account arn.AccountID, now time.Time) ([]string, error) {
	keys, err := keyColumns(tx, account, "")
	if err != nil {
		return nil, err
	}
	created, err := entity.RootCreated(tx, account, now)
	if err != nil {
		return nil, err
	}
	mfa, err := entity.CountRows(identity.MFADevicesOf, tx, account, string(account))
	row := []string{
		"<root_account>", identity.RootARN(account), stamp(created), notSupported, notSupported, notSupported, notSupported, strconv.FormatBool(mfa > 0),
	}
	row = append(row, keys...)
	return append(row, "false", notApplicable, "false", notApplicable), err
}

func userRow(tx *kv.Tx, account arn.AccountID, u *identity.User, rules *identity.PasswordPolicy) ([]string, error) {
	row := []string{u.Name, identity.Users.ARN(account, u), stamp(u.Created)}
	l, err := identity.LoginProfiles.Get(tx, account, u.ID)
	switch {
	case entity.IsNotFound(err):
		row = append(row, "false", notApplicable, notApplicable, notApplicable)
	case err != nil:
		return nil, err
	default:
		used, next := noInformation, notApplicable
		if !u.PasswordLastUsed.IsZero() {
			used = stamp(u.PasswordLastUsed)
		}
		if rules.MaxAgeDays > 0 {
			next = stamp(l.Changed.AddDate(0, 0, rules.MaxAgeDays))
		}
		row = append(row, "true", used, stamp(l.Changed), next)
	}
	mfa, err := entity.CountRows(identity.MFADevicesOf, tx, account, u.ID)
	if err != nil {
		return nil, err
	}
	row = append(row, strconv.FormatBool(mfa > 0))
	keys, err := keyColumns(tx, account, u.ID)
	if err != nil {
		return nil, err
	}
	certs, err := certificateColumns(tx, account, u.ID)
	return append(append(row, keys...), certs...), err
}

// keyColumns are the five columns of each of two access keys.
func keyColumns(tx *kv.Tx, account arn.AccountID, userID string) ([]string, error) {
	var out []string
	for r, err := range identity.KeysOf.Scan(tx, kv.Scan{Prefix: []any{account, userID}, Limit: 2}) {
		if err != nil {
			return nil, err
		}
		k, err := identity.Keys.Get(tx, *r.Value)
		if err != nil {
			return nil, err
		}
		out = append(out, strconv.FormatBool(k.Active), stamp(k.Created))
		use, err := identity.KeyUse(tx, k.ID)
		switch {
		case entity.IsNotFound(err):
			out = append(out, notApplicable, notApplicable, notApplicable)
		case err != nil:
			return nil, err
		default:
			out = append(out, stamp(use.Time), use.Region, use.Service)
		}
	}
	for len(out) < 10 {
		out = append(out, "false", notApplicable, notApplicable, notApplicable, notApplicable)
	}
	return out, nil
}

// certificateColumns are the two columns of each of two signing certificates.
func certificateColumns(tx *kv.Tx, account arn.AccountID, userID string) ([]string, error) {
	var out []string
	for r, err := range credential.SigningCertificates.Scan(tx, kv.Scan{Prefix: []any{account, userID}, Limit: 2}) {
		if err != nil {
			return nil, err
		}
		out = append(out, strconv.FormatBool(r.Value.Status == api.StatusTypeActive), stamp(r.Value.Uploaded))
	}
	for len(out) < 4 {
		out = append(out, "false", notApplicable)
	}
	return out, nil
}
