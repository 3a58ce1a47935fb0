/*-------------------------------------------------------------------------
 *
 * archive.c
 *	  Zip archives within the server: members in turn, and their errors.
 *
 *-------------------------------------------------------------------------
 */
#include "core/core.h"
#include "core/zip.h"

void
FinopsZipRaise(const ByteSource *zip, const SourceAddress *address)
{
	const char *name = address->path;

	switch (zip->error)
	{
		case SOURCE_ZIP_TRUNCATED:
			ereport(ERROR,
					(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
					 errmsg("unexpected end of zip archive \"%s\"", name),
					 errdetail("The file is cut off, so what is in it is incomplete."),
					 errhint("Fetch the file again.")));
			break;
		case SOURCE_ZIP_ENCRYPTED:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("zip archive \"%s\" is encrypted", name),
					 errhint("Unpack it and load the files in it.")));
			break;
		case SOURCE_ZIP_METHOD:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("zip archive \"%s\" is packed by a method that is not known", name),
					 errdetail("Members may be stored or deflated."),
					 errhint("Unpack it and load the files in it.")));
			break;
		case SOURCE_ZIP_UNSIZED:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("zip archive \"%s\" does not say where a member ends", name),
					 errdetail("A member is stored without compression, and its size is only in the directory at the end."),
					 errhint("Unpack it and load the files in it.")));
			break;
		case SOURCE_ZIP_BOMB:
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("zip archive \"%s\" grows more than 500 times", name),
					 errdetail("No bill does; the archive is made to fill a machine."),
					 errhint("Fetch the file again from where it comes from.")));
			break;
		case SOURCE_ZIP_GARBAGE:
			ereport(ERROR,
					(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
					 errmsg("data after the end of zip archive \"%s\"", name),
					 errhint("Fetch the file again.")));
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
					 errmsg("invalid zip archive \"%s\"", name),
					 errdetail("A checksum, a size or the directory of the archive does not agree with its members."),
					 errhint("Fetch the file again.")));
	}
}

bool
FinopsZipNext(ByteSource *zip, const SourceAddress *address)
{
	int			rc;

	do
	{
		CHECK_FOR_INTERRUPTS();
		rc = ZipNextMember(zip);
	} while (rc < 0 && zip->error == SOURCE_INTERRUPTED);
	if (rc < 0)
		FinopsSourceRaise(zip, address);
	return rc > 0;
}
