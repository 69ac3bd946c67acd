"""Kinds of files and folders, told by their names."""

# Folders that systems and shares make for themselves, of thumbnails, of what was deleted, of earlier states and of what the
# Finder keeps beside files, in lower case; all others of that kind are hidden.
KEPT_BY_SYSTEMS = frozenset(
    b"$recycle.bin,recycled,recycler,#recycle,@recycle,system volume information,found.000,lost+found,@eadir,@tmp,@sharebin,"
    b"@recently-snapshot,#snapshot,~snapshot,__macosx,temporary items,network trash folder,thevolumesettingsfolder".split(b",")
)
# What scanners, phones, cameras and drawing programs write, and archives: whoever put it there wants it read.
PICTURES = (
    ".7z .gz .rar .tgz "
    ".3fr .ai .apng .arw .avif .bmp .cr2 .cr3 .crw .dib .djvu .dng .emf .eps .erf .gif .heic .heif .hif .ico .iiq .j2k .jfif "
    ".jp2 .jpe .jpeg .jpg .jpx .jxl .kdc .mpo .mrw .nef .nrw .orf .pbm .pcx .pdf .pef .pgm .png .pnm .ppm .ps .psd .raf .raw "
    ".rw2 .rwl .sr2 .srf .srw .svg .svgz .tga .tif .tiff .webp .wmf .x3f .xcf"
)

# What scoring reads as a folder of pictures.
ARCHIVES = frozenset((b".tar", b".zip"))


def is_kept_by_a_system(folder: bytes) -> bool:
    """Tell by its name a folder that is hidden, or holds what nobody put there to be read."""
    return folder.startswith(b".") or folder.lower() in KEPT_BY_SYSTEMS


def is_hidden(path: bytes) -> bool:
    """Tell a file that is hidden, or in a folder that is left alone, by its path below the folder that was named."""
    *folders, name = path.split(b"/")
    return name.startswith(b".") or any(is_kept_by_a_system(one) for one in folders if one != b"..")


def is_archive(path: bytes) -> bool:
    """Tell by its name whether a file is read as a folder of pictures."""
    return path[path.rfind(b".") :].lower() in ARCHIVES
