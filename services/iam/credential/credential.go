// Package credential is what users prove who they are with, other than access
// keys: passwords, MFA devices, SSH public keys and signing certificates.
//
// One file is one kind. What belongs to a user hangs on the user's unique id
// and is noted among identity.Belongings, so that the user cannot be deleted
// before it is. Codes and passwords are checked by package identity.
package credential

import (
	"slices"

	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/service"
)

type svc struct{ who *identity.Store }

// Handlers are the package's operations.
func Handlers(who *identity.Store) []*service.Handler {
	s := &svc{who}
	return slices.Concat(s.logins(), s.devices(), s.keys())
}

// logins are the operations on passwords.
func (s *svc) logins() []*service.Handler {
	return []*service.Handler{
		service.Handle(api.CreateLoginProfile, s.needCreateLoginProfile, s.createLoginProfile),
		service.Handle(api.GetLoginProfile, s.needGetLoginProfile, s.getLoginProfile),
		service.Handle(api.UpdateLoginProfile, s.needUpdateLoginProfile, s.updateLoginProfile),
		service.Handle(api.DeleteLoginProfile, s.needDeleteLoginProfile, s.deleteLoginProfile),
		service.Handle(api.ChangePassword, needChangePassword, s.changePassword),
	}
}

// devices are the operations on MFA devices.
func (s *svc) devices() []*service.Handler {
	return []*service.Handler{
		service.Handle(api.CreateVirtualMFADevice, needCreateVirtualMFADevice, s.createVirtualMFADevice),
		service.Handle(api.EnableMFADevice, s.needEnableMFADevice, s.enableMFADevice),
		service.Handle(api.ResyncMFADevice, s.needResyncMFADevice, s.resyncMFADevice),
		service.Handle(api.DeactivateMFADevice, s.needDeactivateMFADevice, s.deactivateMFADevice),
		service.Handle(api.GetMFADevice, s.needGetMFADevice, s.getMFADevice),
		service.Handle(api.ListMFADevices, s.needListMFADevices, s.listMFADevices),
		service.Handle(api.ListVirtualMFADevices, needListVirtualMFADevices, s.listVirtualMFADevices),
		service.Handle(api.DeleteVirtualMFADevice, needDeleteVirtualMFADevice, s.deleteVirtualMFADevice),
		service.Handle(api.TagMFADevice, needTagMFADevice, s.tagMFADevice),
		service.Handle(api.UntagMFADevice, needUntagMFADevice, s.untagMFADevice),
		service.Handle(api.ListMFADeviceTags, needListMFADeviceTags, s.listMFADeviceTags),
	}
}

// keys are the operations on SSH public keys and signing certificates.
func (s *svc) keys() []*service.Handler {
	return []*service.Handler{
		service.Handle(api.UploadSSHPublicKey, s.needUploadSSHPublicKey, s.uploadSSHPublicKey),
		service.Handle(api.GetSSHPublicKey, s.needGetSSHPublicKey, s.getSSHPublicKey),
		service.Handle(api.ListSSHPublicKeys, s.needListSSHPublicKeys, s.listSSHPublicKeys),
		service.Handle(api.UpdateSSHPublicKey, s.needUpdateSSHPublicKey, s.updateSSHPublicKey),
		service.Handle(api.DeleteSSHPublicKey, s.needDeleteSSHPublicKey, s.deleteSSHPublicKey),
		service.Handle(api.UploadSigningCertificate, s.needUploadSigningCertificate, s.uploadSigningCertificate),
		service.Handle(api.ListSigningCertificates, s.needListSigningCertificates, s.listSigningCertificates),
		service.Handle(api.UpdateSigningCertificate, s.needUpdateSigningCertificate, s.updateSigningCertificate),
		service.Handle(api.DeleteSigningCertificate, s.needDeleteSigningCertificate, s.deleteSigningCertificate),
	}
}
